"""What remains after a destroy and what it costs, the end of the shared key, and that of state bucket and repository."""

from __future__ import annotations

import json

import pytest

from canned_aws import CannedAws, refusal
from tasks import removal
from tasks.core import database_record, neighbours, parameter_store, registry, state_bucket
from tasks.core import keys as kms
from tasks.core.console import Failed, Refused
from tasks.core.initialise import state_object
from tasks.core.keys import KeyState
from tasks.core.neighbours import Neighbour, Neighbourhood
from tasks.core.state_file import EMPTY, Resource, State
from tasks.core.teardown import bootstrapped, key, remains

MAIN_TF = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


@pytest.fixture
def session(aws, root):
    (root / "main.tf").write_text(MAIN_TF)
    state_bucket.ensure(aws)
    return aws


def put(session, at: str, body: bytes | str = b"x") -> None:
    session.client("s3").put_object(Bucket=session.settings.state_bucket, Key=at, Body=body)


def marked(settings) -> list[dict[str, str]]:
    """As `bootstrap` has tagged what it made."""
    return [{"Key": name, "Value": settings.project.slug} for name in ("Created_by", "Project")]


def state_of(*names: str) -> str:
    return json.dumps({"version": 4, "serial": 1, "lineage": "x", "outputs": {}, "resources": [
        {"mode": "managed", "type": "terraform_data", "name": name, "instances": [{"attributes": {}}]} for name in names]})


def test_what_remains_is_found_and_priced(session, slug):
    rds, logs, ecr = (session.client(service) for service in ("rds", "logs", "ecr"))
    kms.create(session)
    parameter_store.write(session, session.settings.admin_service, "db_password", "x")
    rds.create_db_instance(DBInstanceIdentifier=session.settings.database, DBInstanceClass="db.t4g.micro", Engine="postgres",
                           AllocatedStorage=20, MasterUsername="master", MasterUserPassword="long-enough-1")
    rds.create_db_snapshot(DBInstanceIdentifier=session.settings.database, DBSnapshotIdentifier=f"{slug}-20260101t000000z")
    rds.delete_db_instance(DBInstanceIdentifier=session.settings.database, SkipFinalSnapshot=True)
    for name in (f"/{slug}/apps", f"/{slug}/apps-of-others"):
        logs.create_log_group(logGroupName=name)
    ecr.create_repository(repositoryName=slug)
    put(session, "env:/local/small/terraform.tfstate", state_of())
    held = State(1, "x", (Resource("a", "aws_cloudwatch_log_group", {"name": f"/{slug}/apps"}),), {})

    found = {each.kind: each for each in remains.find(session, held)}
    assert set(found) == {"KMS key", "database snapshot", "log group", "secrets", "state bucket", "image repository"}
    assert found["KMS key"].usd == 1 and session.settings.admin_service in found["KMS key"].why
    assert found["database snapshot"].usd == pytest.approx(20 * 0.095)
    assert found["log group"].name == f"/{slug}/apps", "only what was ours"
    assert found["secrets"].usd == 0 and "1 versions" in found["state bucket"].why
    assert remains.total(found.values()) == pytest.approx(2.9, abs=0.01)


def test_a_key_that_is_to_die_costs_nothing_any_more(session, monkeypatch):
    monkeypatch.setattr(neighbours, "look", lambda session_: Neighbourhood())  # other tests leave strange states there
    made = kms.create(session)
    key.schedule_deletion(session, made)
    [found] = [each for each in remains.find(session, EMPTY) if each.kind == "KMS key"]
    assert found.usd == 0 and found.why.startswith("pending deletion")


@pytest.mark.parametrize(("error", "why"), [
    (refusal("AccessDeniedException"), "may not look"),
    (refusal("ThrottlingException"), "ThrottlingException"),
    (KeyError("storedBytes"), "storedBytes"),
])
def test_what_cannot_be_seen_is_told_and_fails_nothing(session, monkeypatch, error, why):
    """All is deleted by then: the report must not turn that into a failure."""

    def denied(session_, state):
        raise error
        yield

    monkeypatch.setitem(remains.KINDS, "log group", denied)
    [found] = [each for each in remains.find(session, EMPTY) if each.kind == "log group"]
    assert found.usd is None and remains.price(found.usd) == "not known" and why in found.why


@pytest.mark.parametrize(("usd", "said"), [(0, "0"), (0.001, "below 0.01"), (1.9, "1.90")])
def test_a_price_is_said_as_a_person_reads_it(usd, said):
    assert remains.price(usd) == said


def test_the_record_of_a_database_that_is_gone_is_removed(session):
    put(session, state_object(session.settings).rpartition("/")[0] + "/database.json", "{}")
    database_record.forget(session)
    database_record.forget(session)
    assert not session.client("s3").list_objects_v2(Bucket=session.settings.state_bucket).get("Contents")


@pytest.fixture
def ours(session, monkeypatch):
    """A key with this workspace's secrets under it, which no other state holds."""
    monkeypatch.setattr(neighbours, "look", lambda session_: Neighbourhood())
    made = kms.create(session)
    parameter_store.write(session, session.settings.admin_service, "db_password", "x")
    return made


def test_a_key_that_only_this_workspace_uses_may_go_after_an_export(session, ours):
    assert key.refusals(session, ours, exported=True) == []
    assert "--export-secrets" in key.refusals(session, ours, exported=False)[0].lift


def test_a_key_that_somebody_elses_secrets_need_stays(session, ours):
    parameter_store.write(session, "other-service", "api_key", "x")
    [found] = key.refusals(session, ours, exported=True)
    assert "other-service" in found.reason and not found.loss
    parameter_store.delete(session, "other-service", "api_key")


@pytest.mark.parametrize("name", ["my-secret", "/token"])
def test_a_secret_without_a_service_is_somebody_elses(session, ours, name, slug):
    name = f"{name}-{slug}"
    session.client("ssm").put_parameter(Name=name, Value="x", Type="SecureString", KeyId=ours.alias)
    [found] = key.refusals(session, ours, exported=True)
    assert parameter_store.NO_SERVICE in found.reason
    session.client("ssm").delete_parameter(Name=name)


@pytest.mark.parametrize("called", ["alias/{}-other", "{}:alias/{}-other", "{}:alias/{}"])
def test_a_secret_under_any_name_of_the_key_counts(session, ours, slug, called):
    session.client("kms").create_alias(AliasName=f"alias/{slug}-other", TargetKeyId=ours.id)
    place = ours.arn.rpartition(":")[0]
    wanted = called.format(*([place, slug] if called.startswith("{}:") else [slug]))
    assert wanted in kms.names_of(session, ours)
    aws = CannedAws(session.settings, describe_parameters={"Parameters": [{"Name": "/theirs/a", "KeyId": wanted}]})
    assert parameter_store.services(aws, kms.names_of(session, ours)) == ["theirs"]


def test_a_key_whose_use_is_granted_to_somebody_stays(session, ours):
    principal = "arn:aws:iam::000000000000:role/theirs"
    session.client("kms").create_grant(KeyId=ours.id, GranteePrincipal=principal, Operations=["Decrypt"])
    [found] = key.refusals(session, ours, exported=True)
    assert principal in found.reason


def test_a_key_whose_grants_may_not_be_seen_stays(local, ours):
    """Canned: the embedded AWS denies nobody."""
    [found] = key._grants(CannedAws(local, list_grants=refusal("AccessDeniedException")), ours)
    assert "kms:ListGrants" in found.reason


def test_a_key_that_has_found_a_user_meanwhile_is_left_alone(session, ours):
    parameter_store.write(session, "other-service", "api_key", "x")
    with pytest.raises(Failed, match="other-service"):
        key.schedule_deletion(session, ours)
    assert kms.find(session).state is KeyState.Enabled
    parameter_store.delete(session, "other-service", "api_key")


def test_roles_that_may_not_end_the_key_are_told_who_may(session, ours, monkeypatch):
    """Canned: the embedded AWS denies nobody."""
    denying = CannedAws(session.settings, schedule_key_deletion=refusal("AccessDeniedException"))
    monkeypatch.setattr(key, "refusals", lambda *arguments, **named: [])
    monkeypatch.setattr(kms, "find", lambda session_: ours)
    with pytest.raises(Failed, match="kms:ScheduleKeyDeletion.*on purpose.*administrator"):
        key.schedule_deletion(denying, ours)


def test_a_key_that_another_state_holds_or_may_hold_stays(session, ours, monkeypatch):
    neighbour = Neighbour("b", "prod", "k")
    held = Resource("x", "aws_kms_key", {"id": ours.id, "key_id": ours.id})
    monkeypatch.setattr(neighbours, "look", lambda session_: Neighbourhood(((neighbour, (held,)),), ("bucket-of-others",)))
    said = [each.reason for each in key.refusals(session, ours, exported=True)]
    assert len(said) == 2 and str(neighbour) in said[0] and "bucket-of-others" in said[1]


def test_the_keys_deletion_can_be_taken_back_by_its_alias(session, ours):
    key.schedule_deletion(session, ours)
    pending = kms.find(session)
    assert pending.state is KeyState.PendingDeletion
    with pytest.raises(Refused, match="already") as refused:
        key.find(session)
    assert refused.value.run == "invoke kms.rescue"
    assert kms.rescue(session, pending).state is KeyState.Enabled
    assert parameter_store.read(session, session.settings.admin_service, "db_password") == "x"


def test_an_empty_bucket_and_repository_may_go_with_all_versions(session):
    at = "env:/local/small/terraform.tfstate"
    for body in (state_of("a", "b"), state_of()):
        put(session, at, body)
    put(session, "notes.txt")
    session.client("s3").delete_object(Bucket=session.settings.state_bucket, Key="notes.txt")
    registry.ensure(session)
    found = bootstrapped.look(session)
    assert (found.versions, found.images, found.strange) == (4, 0, ())
    assert bootstrapped.still_used(session) == {}
    assert len(bootstrapped.remove(session)) == 2
    assert bootstrapped.look(session).nothing and bootstrapped.still_used(session) == {}
    assert bootstrapped.remove(session) == []


def test_every_state_that_holds_something_is_named_whoevers_it_is(session):
    put(session, "env:/local/small/terraform.tfstate", state_of())
    put(session, "env:/prod/small/terraform.tfstate", state_of("a", "b"))
    put(session, "env:/dev/theirs/terraform.tfstate", state_of("a"))
    put(session, "theirs/terraform.tfstate", state_of("a"))
    put(session, "env:/old/broken", "{")
    put(session, "env:/prod/small/terraform.tfstate.tflock", '{"Who": "ann@desk"}')
    put(session, "env:/local/small/database.json", "{}")
    assert bootstrapped.still_used(session) == {
        "env:/prod/small/terraform.tfstate": "2 resources",
        "env:/dev/theirs/terraform.tfstate": "1 resource",
        "theirs/terraform.tfstate": "1 resource",
        "env:/old/broken": "cannot be read as a state",
        "env:/prod/small/terraform.tfstate.tflock": "somebody works on it: ann@desk",
    }


def test_what_is_no_state_of_this_project_keeps_the_bucket(session):
    ours = ("small/terraform.tfstate", "env:/dev/small/terraform.tfstate", "env:/dev/small/database.json",
            "env:/dev/small/terraform.tfstate.tflock")
    theirs = ("env:/dev/theirs/terraform.tfstate", "holiday.jpg", "logs/1", "logs/2", "logs/3", "logs/4")
    for at in (*ours, *theirs):
        put(session, at, state_of())
    session.client("s3").delete_object(Bucket=session.settings.state_bucket, Key=ours[-1])
    found = bootstrapped.look(session)
    assert found.strange == theirs
    with pytest.raises(Refused) as refused:
        removal._require_unused(session, found)
    assert all(f"\n- {at}: not of this project" in refused.value.message for at in theirs[:5])
    assert theirs[5] not in refused.value.message and "1 more" in refused.value.message and refused.value.run is None


def test_the_workspace_that_is_to_be_destroyed_first_is_the_states_own(session):
    for at in ("env:/dev/theirs/terraform.tfstate", "env:/dev"):
        put(session, at, state_of("a"))
    assert bootstrapped.workspaces(session, bootstrapped.still_used(session)) == []
    put(session, "env:/dev/small/terraform.tfstate", state_of("a"))
    with pytest.raises(Refused) as refused:
        removal._require_unused(session, bootstrapped.look(session))
    assert refused.value.run == "invoke destroy -w dev"


def test_a_state_that_was_deleted_while_it_held_something_is_in_use(session):
    """What it made is in the account, and nothing but the bucket's old versions knows it."""
    at = "env:/dev/small/terraform.tfstate"
    for body in (state_of("a", "b", "c"), state_of("a", "b")):
        put(session, at, body)
    for key_ in (at, "env:/prod/small/terraform.tfstate"):
        session.client("s3").delete_object(Bucket=session.settings.state_bucket, Key=key_)
    [(found, said)] = bootstrapped.still_used(session).items()
    assert found == at and "was deleted" in said and "2 resources" in said


def test_a_bucket_and_a_repository_that_bootstrap_did_not_make_are_left_alone(aws, root):
    """state_bucket in invoke.yaml may name a company's own bucket."""
    (root / "main.tf").write_text(MAIN_TF)
    s3, bucket, slug = aws.client("s3"), aws.settings.state_bucket, aws.settings.project.slug
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": aws.settings.region})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "Created_by", "Value": "somebody"}]})
    aws.client("ecr").create_repository(repositoryName=slug, tags=[{"Key": "Created_by", "Value": slug}])
    assert not state_bucket.ensure(aws) and not registry.ensure(aws), "nor are they marked by a later bootstrap"
    put(aws, "env:/dev/theirs/terraform.tfstate", state_of("a"))
    found = bootstrapped.look(aws)
    assert found.nothing and found.unmarked == (f"image repository {slug}", f"state bucket {bucket}")
    assert bootstrapped.still_used(aws, by_others=False) == {}
    assert bootstrapped.remove(aws) == []
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1 and registry.exists(aws)


def test_more_versions_than_one_call_takes_are_removed_page_by_page(local):
    """Canned: to make a thousand versions takes longer than all these tests."""
    listed = [{"Key": f"k{number}", "VersionId": "v", "IsLatest": False, "Size": 1, "LastModified": -number}
              for number in range(2001)]
    aws = CannedAws(local, head_bucket={}, get_bucket_tagging={"TagSet": marked(local)},
                    list_object_versions={"Versions": listed[:-1], "DeleteMarkers": listed[-1:]},
                    delete_objects={}, delete_bucket={}, describe_repositories=refusal("RepositoryNotFoundException"))
    assert bootstrapped.remove(aws) == [f"state bucket {local.state_bucket}"]
    pages = [call["Delete"]["Objects"] for call in aws.calls("delete_objects")]
    assert [len(page) for page in pages] == [1000, 1000, 1]
    assert pages[-1] == [{"Key": "k0", "VersionId": "v"}], "the newest last: what was current is so until then"


def test_a_version_that_aws_keeps_is_named(local):
    aws = CannedAws(local, head_bucket={}, get_bucket_tagging={"TagSet": marked(local)},
                    list_object_versions={"Versions": [
                        {"Key": "k", "VersionId": "v", "Size": 1, "LastModified": 0, "IsLatest": True}]},
                    delete_objects={"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "retained"}]},
                    describe_repositories=refusal("RepositoryNotFoundException"))
    with pytest.raises(Failed, match="k from .* \\(AccessDenied\\): retained"):
        bootstrapped.remove(aws)
    assert aws.calls("delete_bucket") == []
