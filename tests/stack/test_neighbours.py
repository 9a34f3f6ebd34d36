"""Two projects in one embedded account: each its own state, both on one key."""

from __future__ import annotations

import pytest

from driven_project import STATE_BUCKET
from real_chamber import RealChamber

KEY = "alias/parameter_store_key"


@pytest.fixture(scope="module")
def neighbours(golden, new_project, tmp_path_factory):
    """The applied stack's account, copied, with a second project of another slug deployed beside the first."""
    first = golden.copy(tmp_path_factory.mktemp("first") / "project")
    shared = {"AWS_ENDPOINT_URL": first.endpoint}
    first.environment = {**first.environment, **shared}
    second = new_project(project_name="Other maps", project_slug="other-maps", cluster="other-maps")
    second.environment = {**second.environment, **shared}
    key = first.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]
    deployed = second.must("deploy", "--yes")
    yield first, second, deployed, key
    first.end()


def test_the_second_project_deploys_on_the_first_ones_key(neighbours):
    first, second, deployed, key = neighbours
    assert "Made: KMS key" not in deployed.err
    assert first.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]["KeyId"] == key["KeyId"]
    assert len(first.client("kms").list_keys()["Keys"]) == 1 + sum(
        alias["AliasName"].startswith("alias/aws/") for alias in first.client("kms").list_aliases()["Aliases"])


def test_both_plan_clean_on_one_key(neighbours):
    first, second, *_ = neighbours
    first.require_clean()
    second.require_clean()


def test_their_states_are_two_objects_under_two_keys(neighbours):
    first, second, *_ = neighbours
    keys = {
        project: [entry["Key"] for entry in project_client.list_objects_v2(Bucket=bucket)["Contents"]]
        for project, project_client, bucket in (
            ("first", first.client("s3"), STATE_BUCKET),
            ("second", first.client("s3"), "other-maps-state-000000000000-ap-southeast-2"),
        )
    }
    assert len(set(keys["first"]) | set(keys["second"])) == len(keys["first"]) + len(keys["second"])


def test_destroying_one_leaves_the_other_its_secrets_and_destroying_both_leaves_the_key(neighbours, chamber_binary):
    first, second, _, key = neighbours
    chamber = RealChamber(chamber_binary, first.endpoint, KEY)
    password = chamber("read", "-q", "other-maps-local-admin", "db_password").strip()

    gone = first.must("destroy", "-w", "local", "--confirm", "local")
    assert "aws_kms_key" in gone.out
    assert state_of(first.client("kms"), key) == "Enabled"
    assert chamber("read", "-q", "other-maps-local-admin", "db_password").strip() == password
    chamber("write", "other-maps-local", "note", "still writable")
    second.require_clean()
    assert databases(first) == ["other-maps-local"]

    second.must("destroy", "-w", "local", "--confirm", "local")
    assert state_of(first.client("kms"), key) == "Enabled" and databases(first) == []
    assert chamber("read", "-q", "other-maps-local", "note").strip() == "still writable"


def state_of(kms, key: dict) -> str:
    found = kms.describe_key(KeyId=KEY)["KeyMetadata"]
    assert found["KeyId"] == key["KeyId"]
    return found["KeyState"]


def databases(project) -> list[str]:
    return [one["DBInstanceIdentifier"] for one in project.client("rds").describe_db_instances()["DBInstances"]]
