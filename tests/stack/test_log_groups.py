"""Log groups that are there already: adopted by every plan, by `logs.import`, and never taken from whose they are."""

from __future__ import annotations

import pytest

from driven_project import STATE_BUCKET, Project
from tasks.core import log_adoption, settings, state_file

PREFIX = "/datacube-wms-local"
HOSTS = [f"/var/log/{log}"
         for log in ("dmesg", "docker", "ecs/audit.log", "ecs/ecs-agent.log", "ecs/ecs-init.log", "messages")]
APPS = [f"{PREFIX}/apps/jobs", f"{PREFIX}/apps/ows"]
DATABASE = [f"/aws/rds/instance{PREFIX}/{log}" for log in ("postgresql", "upgrade")]
OTHERS = {"Project": "other-maps", "Workspace": "local"}


@pytest.fixture
def forgotten(stack: Project) -> Project:
    """The applied stack, its state without a log group."""
    stack.must("logs.forget", "--yes")
    return stack


def groups(stack: Project) -> dict[str, int | None]:
    """name -> retention of the account's log groups."""
    pages = stack.client("logs").get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}


def tags(stack: Project, name: str) -> dict[str, str]:
    [found] = stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return stack.client("logs").list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]


def of_log_groups(plan: dict) -> dict[str, tuple[str, str | None]]:
    """address -> what the plan does, and the name it imports."""
    return {change["address"]: (change["action"], change["imported"]) for change in plan["changes"]
            if change["type"] == "aws_cloudwatch_log_group"}


def test_what_the_tasks_want_is_what_terraform_has_made(stack):
    """`wanted` says in Python what imports.tf and the modules say in HCL."""
    key = next(entry["Key"] for entry in stack.client("s3").list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
               if entry["Key"].endswith(".tfstate"))
    state = state_file.parse(stack.client("s3").get_object(Bucket=STATE_BUCKET, Key=key)["Body"].read())
    made = {group.address: group.attributes["name"] for group in state.of_type(log_adoption.TYPE)}
    assert log_adoption.wanted(settings.load("local", stack.folder)) == made


@pytest.mark.parametrize("prefix", [PREFIX, ""], ids=["with a prefix", "without"])
def test_a_plan_adopts_all_some_or_none_as_they_are_there_and_the_next_is_clean(forgotten, prefix):
    if not prefix:
        forgotten.edit("cloudwatch_prefix", '""')
        forgotten.must("plan")
        forgotten.must("apply", "--yes")
        forgotten.must("logs.forget", "--yes")
    wanted = {*(f"{prefix}{host}" for host in HOSTS), *APPS, *DATABASE}
    before = groups(forgotten)
    assert wanted <= set(before)

    for gone in (set(), {f"{prefix}/var/log/docker", APPS[0], DATABASE[1]}, wanted):
        for name in gone:
            forgotten.client("logs").delete_log_group(logGroupName=name)
        changes = forgotten.must("plan", "--json").json
        planned = of_log_groups(changes).values()
        assert {name for action, name in planned if action == "import"} == wanted - gone
        assert [action for action, _ in planned].count("create") == len(gone) and len(changes["changes"]) == len(wanted)
        forgotten.must("apply", "--yes")
        forgotten.require_clean()
        assert groups(forgotten) == before
        forgotten.must("logs.forget", "--yes")


def test_without_a_prefix_another_projects_groups_keep_their_tags_and_their_retention(forgotten):
    logs = forgotten.client("logs")
    for name, days in (("/var/log/dmesg", 7), ("/var/log/docker", None)):
        logs.create_log_group(logGroupName=name, tags=OTHERS)
        if days:
            logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    logs.create_log_group(logGroupName="/var/log/secure")  # nothing of ours
    forgotten.edit("cloudwatch_prefix", '""')
    forgotten.edit("log_retention_days", "90")
    found = of_log_groups(forgotten.must("plan", "--json").json)
    host = "module.ec2_instances.aws_cloudwatch_log_group."
    assert found[f"{host}dmesg"] == ("import", "/var/log/dmesg")
    assert found[f"{host}docker"] == ("import", "/var/log/docker")
    assert found[f"{host}messages"] == ("create", None)
    assert found["module.jobs.aws_cloudwatch_log_group.jobs"] == ("update", APPS[0])  # our own obeys the new number
    forgotten.must("apply", "--yes")
    forgotten.require_clean()
    after = groups(forgotten)
    assert (after["/var/log/dmesg"], after["/var/log/docker"], after["/var/log/messages"]) == (7, None, 90)
    assert (after[APPS[0]], after[DATABASE[0]]) == (90, 90)
    assert tags(forgotten, "/var/log/dmesg") == tags(forgotten, "/var/log/docker") == OTHERS
    assert tags(forgotten, "/var/log/messages")["Project"] == "datacube-wms"


def test_only_what_is_named_is_forgotten_and_only_that_is_imported_again(stack):
    assert "There is nothing to import." in stack.must("logs.import").out
    before = groups(stack)
    said = stack.must("logs.forget", "--yes", "--group", "dmesg", "--group", DATABASE[0])
    assert "Forgotten: 2." in said.out and groups(stack) == before
    again = stack.invoke("logs.forget", "--yes", "--group", "dmesg")
    assert again.code == 4 and "dmesg is no log group" in again.err
    refused = stack.invoke("logs.import")
    assert refused.code == 3 and "add --yes" in refused.err
    imported = stack.must("logs.import", "--yes", "--json").json
    assert imported["imported"] == ["module.ec2_instances.aws_cloudwatch_log_group.dmesg",
                                    'module.database_layer.aws_cloudwatch_log_group.exports["postgresql"]']
    assert all(group["managed"] and group["owner"] == "datacube-wms-local" for group in imported["groups"])
    stack.require_clean()


def test_groups_of_an_earlier_prefix_are_in_the_way_until_they_are_forgotten(stack):
    stack.client("logs").create_log_group(logGroupName="/var/log/dmesg")
    stack.edit("cloudwatch_prefix", '""')
    refused = stack.invoke("logs.import", "--yes")
    assert refused.code == 3 and f"The state holds {PREFIX}/var/log/dmesg where /var/log/dmesg belongs" in refused.err
    assert f"invoke logs.forget --group {PREFIX}/var/log/dmesg" in refused.err


def test_a_group_that_was_deleted_by_hand_is_made_anew(stack):
    stack.client("logs").delete_log_group(logGroupName=f"{PREFIX}/var/log/dmesg")
    assert stack.plan() == {"module.ec2_instances.aws_cloudwatch_log_group.dmesg": "create"}
