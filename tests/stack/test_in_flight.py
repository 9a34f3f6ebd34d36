"""What a killed apply had in flight, for every type of the stack: it is in the account, and no state tells of it.

An object in flight and one whose resource was taken out of the state are the same thing, but for what AWS has not made yet.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from tasks.core import recovery, session, settings, state_file
from tasks.core.initialise import state_object
from tasks.core.state_bucket import read_json, write_json

# What a type does not keep in AWS, and so gets again after an import: in place, and of no effect there.
CHANGED_IN_PLACE = {
    "aws_autoscaling_group", "aws_db_instance", "aws_ecs_service", "aws_ecs_task_definition", "aws_launch_template",
    "aws_security_group", "aws_ssm_parameter",
}  # fmt: skip

NOT_IN_THIS_STACK = {"aws_instance", "aws_scheduler_schedule"}  # looked for in tasks/core/test_recovery.py

# None of them is made from another of them.
TOGETHER = [
    "module.ec2_instances.aws_iam_instance_profile.ecs",
    "module.ec2_instances.aws_cloudwatch_log_group.dmesg",
    'module.ec2_instances.aws_route.private_nat_route["ap-southeast-2a"]',
    "module.database_layer.aws_db_parameter_group.rds",
    'module.database_layer.aws_subnet.database["ap-southeast-2a"]',
    'module.efs[0].aws_efs_mount_target.efs_mount_target["ap-southeast-2b"]',
    "module.efs[0].aws_efs_access_point.data",
    'module.load_balancer["shared"].aws_lb_listener_rule.metrics',
    'module.load_balancer["shared"].aws_vpc_security_group_ingress_rule.alb["http from 0.0.0.0/0"]',
    "module.ecs_policy.aws_iam_role.execution",
]

REPLACED = "module.efs[0].aws_security_group.mount_target_sg"
CHANGED_WITH_THE_GROUP = {"aws_security_group", "aws_vpc_security_group_ingress_rule"}


@pytest.fixture
def aws(stack, monkeypatch) -> session.Session:
    """The tasks' own session with the copied stack's account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.endpoint)
    return session.connect(settings.load("local", stack.folder))


def read_state(aws: session.Session) -> dict:
    return read_json(aws, state_object(aws.settings))


def write_state(aws: session.Session, content: dict) -> None:
    write_json(aws, state_object(aws.settings), {**content, "serial": content["serial"] + 1})


def lost_one_by_one(state: state_file.State):
    """Each resource that has a finder, the id that import takes, and the ids that the state would still know."""
    for resource in state.resources:
        if resource.type in recovery.FINDERS:
            others = [other for other in state.resources if other is not resource]
            yield resource, recovery.known_ids([resource], resource.type).pop(), recovery.known_ids(others, resource.type)


def test_each_object_of_the_stack_is_found_by_its_arguments_and_only_while_no_state_knows_it(aws):
    state = state_file.load(aws)
    wrong, types = [], set()
    for resource, id_, others in lost_one_by_one(state):
        arguments = resource.attributes
        found = [recovery.find(aws, resource.type, arguments, others),
                 recovery.find(aws, resource.type, arguments, others | {id_})]
        if arguments.get("tags_all"):
            another = {**arguments, "tags_all": {**arguments["tags_all"], "Workspace": "another"}}
            found.append(recovery.find(aws, resource.type, another, others))
        if found[0] != id_ or any(found[1:]):
            wrong.append((resource.address, id_, found))
        types.add(resource.type)
    assert wrong == []
    assert types == set(recovery.FINDERS) - NOT_IN_THIS_STACK


def test_all_that_was_found_is_imported_as_it_is_and_nothing_of_it_is_replaced(stack, aws):
    """An account that no state tells of. Log groups are adopted by imports.tf itself."""
    found = {resource.address: id_ for resource, id_, _ in lost_one_by_one(state_file.load(aws))
             if resource.type != "aws_cloudwatch_log_group"}
    blocks = [f"import {{\n  to = {address}\n  id = {json.dumps(id_)}\n}}\n" for address, id_ in found.items()]
    (stack.folder / "found.tf").write_text("".join(blocks))
    write_state(aws, {**read_state(aws), "resources": []})
    changes = stack.must("plan", "--json").json["changes"]
    imported = {change["address"]: change for change in changes if change["address"] in found}
    assert {address: change["imported"] for address, change in imported.items()} == found
    assert {change["type"] for change in imported.values() if change["action"] != "import"} <= CHANGED_IN_PLACE
    assert {change["action"] for change in imported.values()} == {"import", "update"}
    assert {change["action"] for change in changes} <= {"import", "update", "create"}


def successor_of(stack, group: state_file.Resource) -> str:
    """As an apply leaves a replacement that was stopped between its two halves; answers the new group's id."""
    module = stack.folder / "modules" / "efs" / "main.tf"
    module.write_text(module.read_text().replace(group.attributes["description"], "File system: NFS"))
    tags = [{"Key": key, "Value": value} for key, value in group.attributes["tags_all"].items()]
    return stack.client("ec2").create_security_group(
        GroupName=f"{group.attributes['name_prefix']}20261123020000000000000001", Description="File system: NFS",
        VpcId=group.attributes["vpc_id"], TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}])["GroupId"]


def test_what_was_in_flight_at_once_is_adopted_by_the_next_deploy(stack, aws):
    """The last of them is a replacement: the old group is still in the state, and goes; the new one lets nothing out."""
    before = state_file.load(aws)
    stack.terraform("state", "rm", *TOGETHER)
    old = next(resource for resource in before.resources if resource.address == REPLACED)
    new = successor_of(stack, old)
    (stack.folder / ".local" / "runs" / "local" / "unfinished.json").write_text(json.dumps([*TOGETHER, REPLACED]))
    stack.must("deploy", "--yes")
    after = state_file.load(aws)
    for type in {resource.type for resource in before.resources} & set(recovery.FINDERS) - CHANGED_WITH_THE_GROUP:
        assert recovery.known_ids(after.resources, type) == recovery.known_ids(before.resources, type), type
    groups = {group["GroupId"]: group for group in stack.client("ec2").describe_security_groups()["SecurityGroups"]}
    assert next(each for each in after.resources if each.address == REPLACED).attributes["id"] == new
    assert old.attributes["id"] not in groups and groups[new]["IpPermissionsEgress"] == []
    stack.require_clean()


def test_a_group_in_flight_still_lets_everything_out_and_gets_our_rule_that_says_the_same(stack, aws):
    """AWS gives a new group such a rule, and refuses a second one: the first is gone before ours is made."""
    stack.edit("jumpbox_cidrs", '["203.0.113.0/24"]')
    planned = {change["address"]: change for change in stack.must("plan", "--json").json["changes"]}
    address = next(each for each, change in planned.items() if change["type"] == "aws_security_group")
    arguments = planned_arguments(stack)[address]
    group = stack.client("ec2").create_security_group(
        GroupName=f"{arguments['name_prefix']}20261123020000000000000001", Description=arguments["description"],
        VpcId=arguments["vpc_id"], TagSpecifications=[{"ResourceType": "security-group", "Tags": [
            {"Key": key, "Value": value} for key, value in arguments["tags_all"].items()]}])["GroupId"]
    (stack.folder / ".local" / "runs" / "local" / "unfinished.json").write_text(json.dumps([address]))
    said = stack.must("deploy", "--yes").err
    assert f"it exists ({group}); it is adopted" in said and "that let everything out is taken away" in said
    stack.require_clean()
    rules = stack.client("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    assert [bool(rule.get("Description")) for rule in rules["SecurityGroupRules"] if rule["IsEgress"]] == [True]


def planned_arguments(stack) -> dict[str, dict]:
    """address -> what the saved plan would make it with."""
    plan, root = stack.folder / ".local" / "plans" / "local.tfplan", stack.folder / ".local" / "roots" / "local" / "stack"
    shown = subprocess.run(["terraform", "show", "-json", str(plan)], capture_output=True, text=True, check=True, cwd=root,
                           env={**stack.environment, **stack.by_hand, "TF_DATA_DIR": ".terraform"}).stdout
    return {change["address"]: change["change"]["after"] for change in json.loads(shown)["resource_changes"]}
