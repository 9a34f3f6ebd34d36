"""The way back: a protected workspace is left as it is; another goes, all but the key, the secrets and the logs."""

from __future__ import annotations

import json

import pytest

import inventory
from driven_project import CANARY, STATE_BUCKET, Project

ACCOUNT = "111122223333"
KEY = "alias/parameter_store_key"
DATABASE = "module.database_layer.aws_db_instance.rds"
IMAGES = {"images": {"ows": "ghcr.io/opendatacube/ows@sha256:" + "0" * 64}}


def state(project: Project, account: str = "000000000000") -> bytes:
    """The state as it lies in the bucket, byte for byte: its serial is in it."""
    s3, bucket = project.client("s3", account), STATE_BUCKET.replace("0" * 12, account)
    [key] = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"] if each["Key"].endswith(".tfstate")]
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def production(new_project):
    """A workspace as the template makes it for an account of AWS, applied: database and load balancer are protected."""
    project = new_project()
    project.must("local.up")
    project.environment |= {"AWS_ENDPOINT_URL": project.endpoint, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
    here = ("-w", "prod", "--endpoint-from-env")
    project.must("workspace.add", "prod")
    project.edit("db_skip_final_snapshot", "true", "prod")
    (project.folder / "workspaces" / "prod.images.tfvars.json").write_text(json.dumps(IMAGES))
    project.must("bootstrap", *here, "--account", ACCOUNT)
    project.client("ssm", ACCOUNT).put_parameter(Name="/datacube-wms-prod-admin/db_password", Value="long-enough-1",
                                                 Type="SecureString", KeyId=KEY, Description="1")
    project.must("plan", *here)
    project.must("apply", *here, "--yes")
    return project


def test_a_protected_workspace_is_left_as_it_is_and_every_reason_is_told_at_once(production):
    here = ("-w", "prod", "--endpoint-from-env")
    ecs = production.client("ecs", ACCOUNT)
    family = "datacube-wms-prod-job-admin"
    [container] = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]["containerDefinitions"]
    command = {"name": container["name"], "command": ["python3", "-m", "ows_jobs", "index"]}
    [task] = ecs.run_task(cluster="datacube-wms-prod", taskDefinition=family,
                          overrides={"containerOverrides": [command]})["tasks"]
    before = state(production, ACCOUNT)

    answer = production.invoke("destroy", *here, "--confirm", "datacube-wms-prod", "--allow-loss", "nothing-of-that-name")
    assert answer.code == 3 and "4 things stop it" in answer.err
    for said in ("db_deletion_protection = false", "db_skip_final_snapshot = false", "alb_deletion_protection = false",
                 f"--allow-loss '{DATABASE}'", "invoke service.run -w prod index --stop"):
        assert said in answer.err, said
    told = production.invoke("destroy", *here, "--json").json["error"]
    assert told["code"] == 3 and told["message"] in answer.err
    shown = production.must("destroy", *here, "--plan-only", "--json").json
    assert len(shown["refused"]) == 4 and shown["summary"]["delete"] > 70

    assert state(production, ACCOUNT) == before
    ecs.stop_task(cluster="datacube-wms-prod", task=task["taskArn"])
    clean = production.invoke("plan", *here, "--detailed-exitcode")
    assert clean.code == 0, f"Every resource is as the state has it.\n{clean.out}{clean.err}"


def test_nothing_is_destroyed_before_the_name_was_typed(stack):
    before, there = state(stack), inventory.of(stack.endpoint)
    assert stack.invoke("destroy").code == 4, "no default workspace"
    for consent in ((), ("--confirm", "datacube-wms")):
        answer = stack.invoke("destroy", "-w", "local", *consent)
        assert answer.code == 3 and "invoke destroy -w local --confirm local" in answer.err
    assert stack.invoke("bootstrap.remove", "--confirm", "local").code == 3, "a state still holds something"
    assert state(stack) == before and inventory.of(stack.endpoint) == there


def test_a_workspace_goes_and_key_secrets_and_logs_stay_for_the_next_one(stack, tmp_path):
    stack.environment["CHAMBER_BACKUP_PASSPHRASE"] = "passphrase"
    password = ("chamber.read", "datacube-wms-local-admin", "db_password", "-q")
    groups = {group["logGroupName"] for group in stack.client("logs").describe_log_groups()["logGroups"]}
    before, key = state(stack), stack.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]["KeyId"]

    answer = stack.must("destroy", "-w", "local", "--confirm", "local", "--export-secrets", str(tmp_path), "--json")
    done = answer.json
    assert done["destroyed"] and done["summary"]["forget"] == len(done["kept"]) >= 2 + len(groups)
    assert {each["kind"] for each in done["remains"]} >= {"KMS key", "log group", "secrets", "state bucket"}
    assert 1 <= done["usd_a_month"] < 1.1
    assert json.loads(state(stack))["resources"] == []
    assert (stack.folder / done["state_backup"]).read_bytes() == before
    assert len(done["exported"]) == 2

    kms, left = stack.client("kms"), inventory.of(stack.endpoint)
    assert kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyState"] == "Enabled"
    assert stack.must(*password).out.strip() == CANARY
    assert {group["logGroupName"] for group in stack.client("logs").describe_log_groups()["logGroups"]} == groups
    for kind in ("vpc", "role", "security group", "launch template", "auto scaling group", "address", "nat gateway"):
        assert left[kind] == [], kind
    assert stack.client("rds").describe_db_instances()["DBInstances"] == []
    assert stack.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"] == []
    assert not list((stack.folder / ".local" / "plans").glob("local*"))

    again = stack.must("destroy", "-w", "local", "--confirm", "local")
    assert again.out.strip() == "There is nothing to destroy."
    planned = stack.must("plan", "--json").json
    adopted = {change["type"] for change in planned["changes"] if change["imported"]}
    assert adopted == {"aws_kms_key", "aws_kms_alias", "aws_cloudwatch_log_group"}
    assert planned["summary"]["import"] == len(done["kept"])

    stack.must("deploy", "--yes")
    stack.require_clean()
    assert kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyId"] == key and stack.must(*password).out.strip() == CANARY
    assert stack.must("destroy", "-w", "local", "--confirm", "local", "--json").json["destroyed"]
    assert inventory.of(stack.endpoint) == left

    require_key_can_go_and_come_back(stack, tmp_path)
    removed = stack.must("bootstrap.remove", "--confirm", "local", "--json").json["removed"]
    assert [each.partition(" ")[0] for each in removed] == ["image", "state"]
    assert stack.must("bootstrap.remove").out.strip() == "There is nothing to remove."
    assert kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyState"] == "Enabled"


def require_key_can_go_and_come_back(stack, exported):
    asked = ("destroy", "-w", "local", "--destroy-key", "--confirm", "local")
    for more, missing in (((), "--export-secrets"), (("--export-secrets", str(exported)), f"--confirm-key {KEY}")):
        refused = stack.invoke(*asked, *more)
        assert refused.code == 3 and missing in refused.err
    assert stack.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]["KeyState"] == "Enabled"
    assert "invoke kms.rescue" in stack.must(*asked, "--export-secrets", str(exported), "--confirm-key", KEY).err
    assert stack.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    stack.must("kms.rescue", "--yes")
    assert stack.must("chamber.list", "datacube-wms-local-admin", "-e").code == 0


def test_before_any_deploy_there_is_nothing_to_destroy(new_project):
    project = new_project()
    project.must("local.up")
    assert project.must("destroy", "-w", "local").out.strip() == "There is nothing to destroy."
    assert project.must("bootstrap.remove").out.strip() == "There is nothing to remove."
