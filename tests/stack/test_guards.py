"""What apply refuses, and the accounts and endpoints that a task refuses to touch."""

from __future__ import annotations

import json

import pytest


def age(stack, minutes: int) -> None:
    """Make the saved plan older than it is."""
    from datetime import datetime, timedelta

    sidecar = stack.folder / ".local" / "plans" / "local.json"
    facts = json.loads(sidecar.read_text())
    facts["created_at"] = (datetime.fromisoformat(facts["created_at"]) - timedelta(minutes=minutes)).isoformat()
    sidecar.write_text(json.dumps(facts))


def edit_a_module(stack):
    file = stack.folder / "modules" / "vpc" / "main.tf"
    file.write_text(file.read_text() + "\n")


def edit_the_workspace(stack):
    stack.edit("max_size", "3")


def rotate_the_password(stack):
    stack.client("ssm").put_parameter(Name="/datacube-wms-local-admin/db_password", Value="another-One-22", Description="2",
                                      Type="SecureString", KeyId="alias/parameter_store_key", Overwrite=True)


def damage_the_plan(stack):
    file = stack.folder / ".local" / "plans" / "local.tfplan"
    file.write_bytes(file.read_bytes() + b"x")


@pytest.mark.parametrize(("change", "reason"), [
    (edit_a_module, "changed since: modules/vpc/main.tf"),
    (edit_the_workspace, "changed since: workspaces/local.tfvars"),
    (rotate_the_password, "The database password has changed since the plan"),
    (damage_the_plan, "the plan file is not the one that was written"),
    (lambda stack: age(stack, 121), "it is 2 h 1 min old"),
], ids=["module edited", "workspace edited", "password rotated", "plan damaged", "too old"])
def test_apply_refuses_a_plan_that_no_longer_holds(stack, change, reason):
    stack.edit("log_retention_days", "3")
    stack.must("plan")
    change(stack)
    answer = stack.invoke("apply", "--yes")
    assert answer.code == 3 and reason in answer.err


def test_a_plan_is_applied_once(stack):
    stack.edit("log_retention_days", "3")
    stack.must("plan")
    stack.must("apply", "--yes")
    answer = stack.invoke("apply", "--yes")
    assert answer.code == 3 and "There is no saved plan" in answer.err


def test_what_keeps_data_is_not_replaced_unless_it_is_named(stack):
    """Another name for the first database means another instance."""
    address = "module.database_layer.aws_db_instance.rds"
    stack.edit("db_name", '"other"')
    plan = stack.must("plan", "--json").json
    assert [change["address"] for change in plan["changes"] if change["stateful"]] == [address]
    assert plan["changes"][0]["action"] == "replace", "what loses data comes first"
    for task in ("apply", "deploy"):
        answer = stack.invoke(task, "--yes")
        assert answer.code == 3 and address in answer.err and f"--allow-replace '{address}'" in answer.err
    assert stack.client("rds").describe_db_instances()["DBInstances"][0]["DBName"] == "datacube"


def test_a_bare_terraform_plan_stops_with_a_sentence(stack):
    with pytest.raises(AssertionError, match="invoke plan"):
        stack.terraform("plan", "-input=false", "-var-file=workspaces/local.tfvars")
    with pytest.raises(AssertionError, match="invoke plan"):
        stack.terraform("plan", "-input=false")


def test_another_workspaces_file_never_reaches_this_state(stack):
    with pytest.raises(AssertionError, match="workspace"):
        stack.terraform("plan", "-input=false", "-var-file=workspaces/dev.tfvars", "-var=db_password_version=1")


def test_a_key_that_is_about_to_die_stops_a_deploy_and_can_be_rescued(stack):
    stack.edit("log_retention_days", "3")
    stack.must("plan")
    kms = stack.client("kms")
    kms.schedule_key_deletion(KeyId=kms.describe_key(KeyId="alias/parameter_store_key")["KeyMetadata"]["KeyId"])
    answer = stack.invoke("deploy", "--yes")
    assert answer.code == 3 and "invoke kms.rescue" in answer.err
    assert stack.must("kms.status", "--json").json["state"] == "pending deletion"
    stack.must("kms.rescue", "--yes")
    found = stack.must("kms.status", "--json").json
    assert (found["state"], found["managed"]) == ("enabled", True) and "datacube-wms-local-admin" in found["services"]
    stack.must("deploy", "--yes")


def test_a_workspace_of_another_account_is_refused_with_both_numbers(stack):
    stack.edit("account", '"111122223333"', workspace="dev")
    stack.environment |= {
        "AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": "444455556666", "AWS_SECRET_ACCESS_KEY": "x",
    }
    answer = stack.invoke("plan", "-w", "dev", "--endpoint-from-env")
    assert answer.code == 3 and "444455556666" in answer.err and "111122223333" in answer.err
    refused = stack.invoke("plan", "-w", "dev")
    assert refused.code == 3 and "AWS_ENDPOINT_URL is set" in refused.err


def test_nothing_of_the_callers_shell_leaks_into_local(stack):
    stack.environment |= {
        "AWS_PROFILE": "not-there", "AWS_SESSION_TOKEN": "stale", "AWS_REGION": "eu-west-1",
        "HTTP_PROXY": "http://127.0.0.1:9", "TF_LOG": "TRACE", "TF_CLI_ARGS": "-no-such-flag",
        "TF_VAR_max_size": "9", "TF_WORKSPACE": "dev", "TF_DATA_DIR": "/nowhere",
    }
    stack.require_clean()
