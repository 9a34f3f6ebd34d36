"""What stops a destroy: each reason, what lifts it, and that what is gone already stops nothing.

File systems with data and their backups are canned: the embedded AWS meters none.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws, refusal, task
from tasks.core import ecs_tasks, processes, session, settings, unfinished
from tasks.core.console import Refused
from tasks.core.state_file import Resource, State
from tasks.core.teardown import refusals

DATABASE = "module.database_layer.aws_db_instance.rds"
MORNING = datetime(2026, 2, 3, 4, 5, tzinfo=timezone.utc)
FILES = "module.efs[0].aws_efs_file_system.efs"


@pytest.fixture(autouse=True)
def no_other_disk(monkeypatch):
    """There is no state bucket here, so nothing is noted beside a state."""
    monkeypatch.setattr(unfinished, "_beside", lambda session_: [])


@pytest.fixture
def dev(embedded, root, monkeypatch) -> session.Session:
    """The workspace dev on the embedded AWS: one that protects its data."""
    for name, value in {"AWS_ENDPOINT_URL": embedded.endpoint, "AWS_ACCESS_KEY_ID": "111111111111",
                        "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    return session.connect(settings.load("dev", root), endpoint_from_env=True)


@pytest.fixture
def database(dev, slug):
    """`database(**state)`: a database that is there, as the state tells of it."""
    rds = dev.client("rds")
    rds.create_db_instance(DBInstanceIdentifier=slug, DBInstanceClass="db.t4g.micro", Engine="postgres",
                           AllocatedStorage=20, MasterUsername="master", MasterUserPassword="long-enough-1")

    def told(**attributes) -> Resource:
        return Resource(DATABASE, "aws_db_instance", {
            "identifier": slug, "deletion_protection": False, "skip_final_snapshot": False,
            "final_snapshot_identifier": f"{slug}-final", **attributes})

    yield told
    rds.modify_db_instance(DBInstanceIdentifier=slug, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=slug, SkipFinalSnapshot=True)


def find(session_, *resources: Resource, **asked) -> list[refusals.Refusal]:
    return refusals.find(session_, State(1, "x", resources, {}), **asked)


def reasons(found) -> str:
    return "\n".join(f"{each.what} {each.reason} {each.lift}" for each in found)


def test_a_database_that_may_go_stops_nothing(dev, database):
    assert find(dev, database()) == []


@pytest.fixture
def protected(dev, database, slug) -> Resource:
    """One that only AWS protects: the state does not know it yet."""
    dev.client("rds").modify_db_instance(DBInstanceIdentifier=slug, DeletionProtection=True)
    return database()


def test_a_protected_database_names_the_variable_that_lifts_it(dev, protected):
    [found] = find(dev, protected)
    assert found.what == DATABASE and not found.loss
    assert "db_deletion_protection = false in workspaces/dev.tfvars" in found.lift and "invoke deploy -w dev" in found.lift


def test_a_protection_that_was_lifted_by_hand_stops_nothing_though_the_state_still_has_it(dev, database):
    assert find(dev, database(deletion_protection=True)) == []


def test_the_states_word_counts_where_aws_may_not_be_asked(root):
    """Canned: the embedded AWS denies nobody."""
    aws = CannedAws(settings.load("dev", root), describe_db_instances=refusal("AccessDenied"),
                    describe_load_balancer_attributes=refusal("AccessDenied"),
                    describe_db_snapshots=refusal("DBSnapshotNotFound"))
    for protected in (True, False):
        told = [Resource(DATABASE, "aws_db_instance", {"identifier": "maps", "deletion_protection": protected,
                                                       "final_snapshot_identifier": "maps-final"}),
                Resource("aws_lb.x", "aws_lb", {"arn": "arn:lb", "enable_deletion_protection": protected})]
        assert [each.what for each in find(aws, *told)] == ([DATABASE, "aws_lb.x"] if protected else [])


def test_a_protection_is_lifted_by_no_flag(dev, protected):
    assert find(dev, protected, allow_loss=[DATABASE])


def test_a_skipped_final_snapshot_is_a_loss_that_can_be_allowed_by_name(dev, database):
    [found] = find(dev, database(skip_final_snapshot=True))
    assert "db_skip_final_snapshot = false" in found.lift and f"--allow-loss '{DATABASE}'" in found.lift
    assert find(dev, database(skip_final_snapshot=True), allow_loss=["module.other.aws_db_instance.rds"])
    assert find(dev, database(skip_final_snapshot=True), allow_loss=[DATABASE]) == []


def test_no_snapshot_at_all_wants_the_database_named_too(dev, database):
    assert "--no-snapshot" in reasons(find(dev, database(), snapshot=False))
    assert find(dev, database(), snapshot=False, allow_loss=[DATABASE]) == []


def test_a_final_snapshot_whose_name_is_taken_would_stop_aws_half_way(dev, database, slug):
    dev.client("rds").create_db_snapshot(DBInstanceIdentifier=slug, DBSnapshotIdentifier=f"{slug}-final")
    [found] = find(dev, database())
    assert f"{slug}-final" in found.reason and not found.loss


def test_a_database_that_is_stopped_cannot_be_saved(dev, database, slug):
    dev.client("rds").stop_db_instance(DBInstanceIdentifier=slug)
    assert f"aws rds start-db-instance --db-instance-identifier {slug}" in reasons(find(dev, database()))


def test_a_database_that_is_gone_stops_nothing(dev):
    gone = Resource(DATABASE, "aws_db_instance", {"identifier": "gone", "deletion_protection": True})
    assert find(dev, gone, snapshot=False) == []


def test_in_local_no_snapshot_is_missed(aws, slug):
    rds = aws.client("rds")
    rds.create_db_instance(DBInstanceIdentifier=slug, DBInstanceClass="db.t4g.micro", Engine="postgres",
                           AllocatedStorage=20, MasterUsername="master", MasterUserPassword="long-enough-1")
    made = Resource(DATABASE, "aws_db_instance", {"identifier": slug, "skip_final_snapshot": True})
    assert find(aws, made, snapshot=False) == []
    rds.delete_db_instance(DBInstanceIdentifier=slug, SkipFinalSnapshot=True)


def test_a_protected_load_balancer_is_read_in_the_account(aws, slug):
    elb, ec2 = aws.client("elbv2"), aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    arn = elb.create_load_balancer(Name=slug, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]

    def told(protected: bool) -> Resource:
        return Resource('module.load_balancer["shared"].aws_lb.alb', "aws_lb",
                        {"arn": arn, "enable_deletion_protection": protected})

    assert find(aws, told(True)) == [], "lifted by hand"
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn,
                                        Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}])
    assert "alb_deletion_protection = false" in reasons(find(aws, told(False)))
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn,
                                        Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert find(aws, told(True)) == []


@pytest.mark.parametrize(("size", "points", "stops"), [
    (6144, [], False),
    (6145, [], True),
    (3 * 2**30, [{"Status": "EXPIRED", "CreationDate": MORNING}], True),
    (3 * 2**30, [{"Status": "COMPLETED", "CreationDate": MORNING}], False),
], ids=["empty", "a byte", "only an expired backup", "backed up"])
def test_a_file_system_with_data_wants_a_backup(local, size, points, stops):
    aws = CannedAws(local, describe_file_systems={"FileSystems": [
        {"FileSystemId": "fs-1", "FileSystemArn": "arn:fs-1", "SizeInBytes": {"Value": size}}]},
        list_recovery_points_by_resource={"RecoveryPoints": points})
    found = find(aws, Resource(FILES, "aws_efs_file_system", {"id": "fs-1"}))
    assert bool(found) is stops
    assert all(each.loss and f"--allow-loss '{FILES}'" in each.lift for each in found)


def test_the_newest_whole_recovery_point_counts(local):
    aws = CannedAws(local, list_recovery_points_by_resource={"RecoveryPoints": [
        {"Status": "COMPLETED", "CreationDate": MORNING}, {"Status": "COMPLETED", "CreationDate": MORNING - timedelta(1)},
        {"Status": "PARTIAL", "CreationDate": MORNING + timedelta(1)}]})
    assert refusals.recovery_point(aws, "arn:fs-1") == MORNING


def test_a_file_system_that_is_gone_stops_nothing(local):
    aws = CannedAws(local, describe_file_systems=refusal("FileSystemNotFound"))
    assert find(aws, Resource(FILES, "aws_efs_file_system", {"id": "fs-1"})) == []


def test_a_bucket_must_be_empty_old_versions_counted_unless_it_says_otherwise(aws, slug):
    s3, told = aws.client("s3"), {"bucket": slug}
    s3.create_bucket(Bucket=slug, CreateBucketConfiguration={"LocationConstraint": aws.settings.region})
    s3.put_bucket_versioning(Bucket=slug, VersioningConfiguration={"Status": "Enabled"})
    assert find(aws, Resource("aws_s3_bucket.mine", "aws_s3_bucket", told)) == []
    s3.put_object(Bucket=slug, Key="a", Body=b"a")
    s3.delete_object(Bucket=slug, Key="a")
    [found] = find(aws, Resource("aws_s3_bucket.mine", "aws_s3_bucket", told))
    assert "force_destroy = true where aws_s3_bucket.mine is declared" in found.lift and not found.loss
    assert find(aws, Resource("aws_s3_bucket.mine", "aws_s3_bucket", {**told, "force_destroy": True})) == []
    assert find(aws, Resource("aws_s3_bucket.mine", "aws_s3_bucket", {"bucket": f"{slug}-gone"})) == []


def test_a_repository_must_hold_no_image_unless_it_says_otherwise(aws, slug):
    ecr, told = aws.client("ecr"), {"name": slug}
    ecr.create_repository(repositoryName=slug)
    assert find(aws, Resource("aws_ecr_repository.mine", "aws_ecr_repository", told)) == []
    ecr.put_image(repositoryName=slug, imageManifest='{"schemaVersion": 2}', imageTag="one")
    assert "force_delete = true" in reasons(find(aws, Resource("aws_ecr_repository.mine", "aws_ecr_repository", told)))
    assert find(aws, Resource("aws_ecr_repository.mine", "aws_ecr_repository", {**told, "force_delete": True})) == []


def test_a_job_that_runs_stops_it(aws, slug):
    ecs, family = aws.client("ecs"), f"{slug}-job-nightly"
    ecs.create_cluster(clusterName=slug)
    ecs.register_task_definition(family=family, containerDefinitions=[{"name": "one", "image": "i", "memory": 32}])
    [task] = ecs.run_task(cluster=slug, taskDefinition=family)["tasks"]
    cluster = Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {"name": slug})
    [found] = find(aws, cluster)
    assert found.what == "job nightly" and "invoke service.run nightly --stop" in found.lift
    ecs.stop_task(cluster=slug, task=task["taskArn"])
    assert find(aws, cluster) == []
    assert find(aws, Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {"name": f"{slug}-gone"})) == []


def test_a_task_of_a_services_family_that_no_service_runs_stops_it_too(aws, slug):
    """Somebody looks into something with the service's own task definition."""
    ecs, family = aws.client("ecs"), f"{slug}-ows"
    ecs.create_cluster(clusterName=slug)
    ecs.register_task_definition(family=family, containerDefinitions=[{"name": "one", "image": "i", "memory": 32}])
    ecs.create_service(cluster=slug, serviceName="ows", taskDefinition=family, desiredCount=1)
    state = [Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {"name": slug}),
             Resource("aws_ecs_service.s", "aws_ecs_service", {"task_definition": f"arn:x/{family}:1"}),
             Resource("aws_ecs_task_definition.ows", "aws_ecs_task_definition", {"family": family})]
    assert find(aws, *state) == [], "of its service alone"
    [task] = ecs.run_task(cluster=slug, taskDefinition=family)["tasks"]
    [found] = find(aws, *state)
    assert found.what == f"task of {family}" and f"aws ecs stop-task --cluster {slug} --task " in found.lift
    ecs.stop_task(cluster=slug, task=task["taskArn"])
    ecs.delete_service(cluster=slug, service="ows", force=True)
    assert find(aws, *state) == []


def test_a_task_that_a_service_runs_is_none_of_these(local):
    def told(group: str) -> dict:
        return task(definition="arn:x/maps-ows:1", status="RUNNING", group=group)

    aws = CannedAws(local, list_tasks={"taskArns": ["a", "b"]},
                    describe_tasks={"tasks": [told("service:ows"), told("family:maps-ows")]})
    [found] = find(aws, Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {"name": "maps"}))
    assert found.what == "task of maps-ows"


@pytest.mark.parametrize(("family", "command", "name"), [
    ("maps-dev-job-admin", ("python3", "-m", "ows_jobs", "index"), "index"),
    ("maps-dev-job-nightly", (), "nightly"),
    ("maps-dev-job-admin", (), ""),
    ("maps-dev-job-admin", ("sh", "-c", "sleep"), ""),
    ("somebody-elses", (), ""),
])
def test_a_job_is_called_what_service_run_calls_it(family, command, name):
    found = ecs_tasks.Task("a/1", "d", "RUNNING", "", "", "", command, None, ())
    assert refusals._job(family, found) == name


def test_what_an_interrupted_run_had_begun_is_recovered_first(aws):
    """No plan deletes what no state knows: it would be left in the account."""
    noted = aws.settings.private_dir("runs", "local") / "unfinished.json"
    harmless = 'module.x["a.b"].aws_iam_role_policy.p'
    processes.write_json(noted, ["module.vpc.aws_vpc.vpc", harmless, "aws_ecs_cluster.cluster"])
    known = Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {"name": "none-such"})
    [found] = find(aws, known)
    assert found.what == "module.vpc.aws_vpc.vpc" and "invoke recover" in found.lift
    assert find(aws, known, allow_loss=["module.vpc.aws_vpc.vpc"]) == []


def test_all_reasons_are_told_at_once_each_with_what_lifts_it():
    found = [refusals.Refusal("a", "It is protected.", "Set x."), refusals.Refusal("b", "It holds 3 GiB.", "Back it up.")]
    with pytest.raises(Refused) as refused:
        refusals.raise_all(found, "invoke destroy -w dev")
    assert refused.value.message.splitlines() == [
        "Nothing was destroyed. 2 things stop it:",
        "- a: It is protected.", "  Set x.", "- b: It holds 3 GiB.", "  Back it up."]
    refusals.raise_all([], "")
