"""What comes before the first delete: a snapshot that was waited for, services at rest, machines let go, secrets saved.

Percentages, failing snapshots and machines that a hook holds are canned: nothing takes time in the embedded AWS.
"""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import chamber_formats, parameter_store
from tasks.core import keys as kms
from tasks.core.backup import decrypt
from tasks.core.console import BadInput, Failed, Refused, TookTooLong
from tasks.core.state_file import Resource, State
from tasks.core.teardown import drain, exports, snapshot

SNAPSHOT = {"DBSnapshotIdentifier": "x", "Status": "available", "PercentProgress": 100}
AVAILABLE = {"DBInstances": [{"DBInstanceStatus": "available", "DbiResourceId": "db-1"}]}


def state(*resources: tuple[str, dict]) -> State:
    return State(1, "x", tuple(Resource(f"{type}.{number}", type, attributes)
                               for number, (type, attributes) in enumerate(resources)), {})


STATE = state(("aws_db_instance", {"identifier": "maps", "final_snapshot_identifier": "maps-final"}))
TAGS = [{"Key": "Teardown", "Value": "x/1"}]  # of the state above


def snapshots(*told: dict) -> list[dict]:
    """What AWS tells one after the other."""
    return [{"DBSnapshots": [{**SNAPSHOT, **each}]} for each in told]


def test_a_snapshots_name_carries_the_time_in_utc():
    moment = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=10)))
    assert snapshot.name("maps-prod", moment) == "maps-prod-20260202t180506z"


def test_a_snapshot_is_really_there_afterwards(aws, slug):
    rds = aws.client("rds")
    rds.create_db_instance(DBInstanceIdentifier=slug, DBInstanceClass="db.t4g.micro", Engine="postgres",
                           AllocatedStorage=20, MasterUsername="master", MasterUserPassword="long-enough-1")
    told = state(("aws_db_instance", {"identifier": slug}), ("aws_db_instance", {"identifier": "gone"}))
    assert snapshot.due(aws, told) == [slug]
    made = snapshot.take(aws, STATE, slug, lambda text: None, poll=0)
    [found] = rds.describe_db_snapshots(DBInstanceIdentifier=slug)["DBSnapshots"]
    assert found["DBSnapshotIdentifier"] == made and made.startswith(f"{slug}-20")
    rds.delete_db_instance(DBInstanceIdentifier=slug, SkipFinalSnapshot=True)


def test_a_snapshot_is_waited_for_with_progress(local):
    said: list[str] = []
    aws = CannedAws(local, describe_db_instances=AVAILABLE, create_db_snapshot={}, describe_db_snapshots=[
        refusal("DBSnapshotNotFound"), *snapshots({"Status": "creating", "PercentProgress": 0},
                                                  {"Status": "creating", "PercentProgress": 40},
                                                  {"Status": "creating", "PercentProgress": 40}, {})])
    made = snapshot.take(aws, STATE, "maps", said.append, poll=0)
    assert [line.rpartition(": ")[2] for line in said] == ["0 %…", "40 %…", f"the snapshot {made}"]


@pytest.mark.parametrize("told", [
    snapshots({"Status": "failed"}),
    snapshots({"Status": "deleting"}),
    [*snapshots({"Status": "creating"}), refusal("DBSnapshotNotFound")],
], ids=["failed", "deleted", "vanished"])
def test_a_snapshot_that_aws_cannot_make_ends_it_at_once(local, told):
    aws = CannedAws(local, describe_db_instances=AVAILABLE, create_db_snapshot={}, describe_db_snapshots=told)
    with pytest.raises(Failed, match="AWS could not make the snapshot maps-"):
        snapshot.take(aws, STATE, "maps", lambda text: None, poll=0)


@pytest.mark.parametrize("status", ["incompatible-restore", "inaccessible-encryption-credentials", "stopped", None])
def test_a_database_that_will_not_be_ready_by_itself_ends_it_at_once(local, status):
    gone = refusal("DBInstanceNotFound")
    told = {"DBInstances": [{"DBInstanceStatus": status, "DbiResourceId": "db-1"}]} if status else gone
    aws = CannedAws(local, describe_db_instances=told, describe_db_snapshots=snapshots())
    with pytest.raises(Failed, match=f"is {status or 'gone'}: AWS takes no snapshot"):
        snapshot.take(aws, STATE, "maps", lambda text: None, poll=0)


def test_an_earlier_trys_snapshot_serves_only_where_a_person_was_told_of_it(aws, slug):
    rds, said = aws.client("rds"), []
    rds.create_db_instance(DBInstanceIdentifier=slug, DBInstanceClass="db.t4g.micro", Engine="postgres",
                           AllocatedStorage=20, MasterUsername="master", MasterUserPassword="long-enough-1")
    rds.create_db_snapshot(DBInstanceIdentifier=slug, DBSnapshotIdentifier=f"{slug}-zzz", Tags=TAGS)
    held = state(("aws_db_instance", {"identifier": slug, "final_snapshot_identifier": f"{slug}-final"}))
    assert snapshot.earlier(aws, held) == {}
    made = snapshot.take(aws, held, slug, said.append, poll=0)
    assert snapshot.earlier(aws, held) == {slug: made}
    assert snapshot.take(aws, held, slug, said.append, made, poll=0) == made and "An earlier try" in said[1]
    assert len(rds.describe_db_snapshots(DBInstanceIdentifier=slug)["DBSnapshots"]) == 2

    rds.delete_db_snapshot(DBSnapshotIdentifier=made)
    before = snapshot.name(slug, datetime.now(timezone.utc) - timedelta(minutes=5))
    rds.create_db_snapshot(DBInstanceIdentifier=slug, DBSnapshotIdentifier=before, Tags=TAGS)
    assert snapshot.earlier(aws, held) == {slug: before}
    assert snapshot.take(aws, held, slug, said.append, poll=0) != before, "nobody was told"
    rds.delete_db_instance(DBInstanceIdentifier=slug, SkipFinalSnapshot=True)


def of_an_earlier_try(**more) -> dict:
    """A snapshot of this teardown, ten minutes old."""
    made = datetime.now(timezone.utc) - timedelta(minutes=more.pop("minutes", 10))
    return {"DBSnapshotIdentifier": snapshot.name("maps", made), "DbiResourceId": "db-1", "Status": "available",
            "TagList": TAGS, **more}


def earlier(local, *found: dict, of: State = STATE) -> dict[str, str]:
    aws = CannedAws(local, describe_db_instances=AVAILABLE, describe_db_snapshots={"DBSnapshots": list(found)})
    return snapshot.earlier(aws, of)


@pytest.mark.parametrize("more", [{"minutes": 70}, {"DbiResourceId": "db-old"}, {"Status": "failed"}, {"TagList": []},
                                  {"TagList": [{"Key": "Teardown", "Value": "x/0"}]},
                                  {"DBSnapshotIdentifier": "maps-by-hand"}],
                         ids=["old", "another database's", "failed", "nobody's", "before something was applied", "by hand"])
def test_any_other_snapshot_does_not_serve(local, more):
    whole = of_an_earlier_try()
    assert earlier(local, whole) == {"maps": whole["DBSnapshotIdentifier"]}
    assert earlier(local, of_an_earlier_try(**more)) == {}


@pytest.mark.parametrize("attributes", [{"skip_final_snapshot": True}, {"final_snapshot_identifier": None}])
def test_where_no_final_snapshot_is_taken_a_new_one_always_is(local, attributes):
    database = STATE.resources[0].attributes | attributes
    assert earlier(local, of_an_earlier_try(), of=state(("aws_db_instance", database))) == {}


def test_the_one_that_was_told_of_and_is_gone_is_taken_anew(local):
    told = of_an_earlier_try()["DBSnapshotIdentifier"]
    aws = CannedAws(local, describe_db_instances=AVAILABLE, create_db_snapshot={},
                    describe_db_snapshots=[{"DBSnapshots": []}, *snapshots({})])
    assert snapshot.take(aws, STATE, "maps", lambda text: None, told, poll=0) != told
    assert len(aws.calls("create_db_snapshot")) == 1


def test_a_snapshot_that_takes_too_long_goes_on_and_stops_everything(local):
    aws = CannedAws(local, describe_db_instances=AVAILABLE, create_db_snapshot={},
                    describe_db_snapshots=snapshots({"Status": "creating", "PercentProgress": 1}))
    with pytest.raises(TookTooLong, match="AWS goes on with it"):
        snapshot.take(aws, STATE, "maps", lambda text: None, limit=0, poll=0)


def test_a_database_that_is_busy_is_waited_for_first(local):
    said: list[str] = []
    statuses = [{"DBInstances": [{"DBInstanceStatus": status, "DbiResourceId": "db-1"}]}
                for status in ("backing-up", "backing-up", "backing-up", "storage-optimization")]
    aws = CannedAws(local, describe_db_instances=statuses, create_db_snapshot={}, describe_db_snapshots=snapshots({}))
    snapshot.take(aws, STATE, "maps", said.append, poll=0)
    assert said[0] == "Waiting for the database maps: backing-up…" and len(said) == 2
    busy = CannedAws(local, describe_db_instances=statuses[0], describe_db_snapshots=snapshots())
    with pytest.raises(TookTooLong, match="backing-up; there is no snapshot"):
        snapshot.take(busy, STATE, "maps", said.append, limit=0, poll=0)


def test_a_database_that_is_on_its_way_gets_no_snapshot(local):
    aws = CannedAws(local, describe_db_instances={"DBInstances": [{"DBInstanceStatus": "deleting"}]})
    assert snapshot.due(aws, state(("aws_db_instance", {"identifier": "maps"}))) == []


def test_services_are_brought_to_no_task_and_waited_for(local):
    def service(running: int) -> dict:
        return {"services": [{"serviceName": "ows", "status": "ACTIVE", "desiredCount": 0, "runningCount": running}]}

    def task(status: str) -> dict:
        return {"tasks": [{"taskArn": "a/1", "taskDefinitionArn": "d:1", "lastStatus": status}]}

    aws = CannedAws(local, update_service={"service": {}}, describe_services=[service(1), service(0), service(0)],
                    list_tasks={"taskArns": ["a/1"]}, describe_tasks=[task("DEACTIVATING"), task("STOPPED")])
    drain.services(aws, state(("aws_ecs_service", {"cluster": "c", "name": "ows"})), lambda text: None, poll=0)
    assert aws.calls("update_service") == [{"cluster": "c", "service": "ows", "desiredCount": 0}]
    assert len(aws.calls("describe_services")) == 3, "a task that is still being stopped is waited for"


def test_a_service_whose_tasks_never_end_is_told_of(local):
    aws = CannedAws(local, update_service={"service": {}}, describe_services={"services": [
        {"serviceName": "ows", "status": "ACTIVE", "desiredCount": 0, "runningCount": 1}]})
    with pytest.raises(TookTooLong, match="ows still run"):
        drain.services(aws, state(("aws_ecs_service", {"cluster": "c", "name": "ows"})), lambda text: None, 0, 0)


@pytest.mark.parametrize("code", ["ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException"])
def test_a_service_that_is_gone_is_passed_over(local, code):
    aws = CannedAws(local, update_service=refusal(code))
    drain.services(aws, state(("aws_ecs_service", {"cluster": "c", "name": "ows"})), lambda text: None, 0, 0)


def test_a_capacity_provider_lets_its_machines_go(aws, slug):
    autoscaling, ecs = aws.client("autoscaling"), aws.client("ecs")
    template = aws.client("ec2").create_launch_template(LaunchTemplateName=slug, LaunchTemplateData={"ImageId": "ami-1"})
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=slug, MinSize=0, MaxSize=1, AvailabilityZones=[f"{aws.settings.region}a"],
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"], "Version": "1"})
    [group] = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[slug])["AutoScalingGroups"]
    ecs.create_capacity_provider(name=slug, autoScalingGroupProvider={
        "autoScalingGroupArn": group["AutoScalingGroupARN"], "managedTerminationProtection": "ENABLED",
        "managedDraining": "ENABLED", "managedScaling": {"status": "ENABLED", "targetCapacity": 100}})
    told = state(("aws_ecs_capacity_provider", {"name": slug}), ("aws_ecs_capacity_provider", {"name": f"{slug}-gone"}))
    said: list[str] = []
    for _ in range(2):
        drain.capacity_providers(aws, told, said.append)
    [found] = ecs.describe_capacity_providers(capacityProviders=[slug])["capacityProviders"]
    provider = found["autoScalingGroupProvider"]
    assert (provider["managedTerminationProtection"], provider["managedDraining"]) == ("DISABLED", "DISABLED")
    assert provider["managedScaling"]["targetCapacity"] == 100
    assert len(said) == 1, "the second time there is nothing to do"


def test_a_machine_that_a_hook_holds_is_let_go(local):
    aws = CannedAws(local, describe_lifecycle_hooks={"LifecycleHooks": [{"LifecycleHookName": "ecs"}]},
                    complete_lifecycle_action=[{}, refusal("ValidationError")], describe_auto_scaling_groups={
                        "AutoScalingGroups": [{"Instances": [{"InstanceId": "i-1", "LifecycleState": "Terminating:Wait"},
                                                             {"InstanceId": "i-2", "LifecycleState": "InService"},
                                                             {"InstanceId": "i-3", "LifecycleState": "Pending:Wait"}]}]})
    drain.lifecycle_actions(aws, state(("aws_autoscaling_group", {"name": "asg"})), lambda text: None)
    assert [call["InstanceId"] for call in aws.calls("complete_lifecycle_action")] == ["i-1", "i-3"]


def test_every_revision_of_the_stacks_families_is_deregistered_and_no_other(aws, slug):
    ecs = aws.client("ecs")
    for family in (slug, slug, f"{slug}-two"):
        ecs.register_task_definition(family=family, containerDefinitions=[{"name": "one", "image": "i", "memory": 32}])
    drain.task_definitions(aws, state(("aws_ecs_task_definition", {"family": slug})), lambda text: None)
    left = ecs.list_task_definitions(familyPrefix=slug, status="ACTIVE")["taskDefinitionArns"]
    assert [arn.rpartition("/")[2] for arn in left] == [f"{slug}-two:1"], "another workspace's name may begin with ours"


@pytest.fixture
def secrets(aws) -> dict[str, dict[str, str]]:
    """Secrets of the workspace's two services, under its key."""
    kms.create(aws)
    written = {aws.settings.id: {"db_password": 'one"two'}, aws.settings.admin_service: {"db_password": "three", "b": "ü"}}
    for service, values in written.items():
        for key, value in values.items():
            parameter_store.write(aws, service, key, value)
    return written


def test_secrets_are_exported_each_service_in_a_file_of_its_own(aws, secrets, tmp_path):
    files = exports.write(aws, tmp_path / "safe", "passphrase")
    read = {file.stem: chamber_formats.from_json(decrypt(file.read_bytes(), "passphrase", ""), "") for file in files}
    assert read == secrets
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert not any(json.dumps(value).encode() in file.read_bytes() for file in files for value in read[file.stem].values())


def test_what_terraform_wrote_is_no_secret_and_the_next_database_has_another(aws, secrets, tmp_path):
    service = aws.settings.admin_service
    aws.client("ssm").put_parameter(Name=f"/{service}/db_hostname", Value="old", Type="String")
    files = exports.write(aws, tmp_path, "passphrase", {f"/{service}/db_hostname"})
    [file] = [file for file in files if file.stem == service]
    assert set(json.loads(decrypt(file.read_bytes(), "passphrase", ""))) == {"db_password", "b"}


def test_an_earlier_trys_files_are_taken_as_they_are_and_others_never_written_over(aws, secrets, tmp_path):
    before = [file.read_bytes() for file in exports.write(aws, tmp_path, "passphrase")]
    assert [file.read_bytes() for file in exports.write(aws, tmp_path, "passphrase")] == before
    parameter_store.write(aws, aws.settings.id, "db_password", "changed since")
    with pytest.raises(Refused, match="holds other secrets"):
        exports.write(aws, tmp_path, "passphrase")
    with pytest.raises(BadInput, match="cannot be decrypted"):
        exports.write(aws, tmp_path, "another")


def test_a_file_in_the_folders_place_is_said_to_be_one(aws, secrets, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="the secrets go to a folder"):
        exports.write(aws, tmp_path / "file", "passphrase")
