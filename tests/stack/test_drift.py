"""Drift of an applied stack: none after an apply, and every kind of it by name, also what no plan can see."""

from __future__ import annotations

import json

import pytest

from driven_project import Project

OPEN = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
        "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "by hand"}]}
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
NOTHING_THERE = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
CLUSTER, ROLE = "datacube-wms-local", "datacube-wms-local-ap-southeast-2-task-ows"


def ids(stack: Project, type: str) -> dict[str, str]:
    """resource's name -> id, of the state's objects of a type"""
    state = json.loads(stack.terraform("state", "pull"))
    return {resource["name"]: instance["attributes"]["id"] for resource in state["resources"]
            if resource["type"] == type for instance in resource["instances"]}


def open_the_database(stack: Project) -> None:
    """Once in the database's own group, once in the VPC's default one."""
    for group in (ids(stack, "aws_security_group")["rds"], ids(stack, "aws_default_security_group")["closed"]):
        stack.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[OPEN])


def move_the_service(stack: Project) -> str:
    """Answers the task definition that it is moved to."""
    ecs = stack.client("ecs")
    [arn] = ecs.list_services(cluster=CLUSTER)["serviceArns"]
    [service] = ecs.describe_services(cluster=CLUSTER, services=[arn])["services"]
    present = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    made = ecs.register_task_definition(family=present["family"], containerDefinitions=present["containerDefinitions"])
    other = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service=service["serviceName"], taskDefinition=other)
    return other


def touch_the_logs(stack: Project) -> None:
    logs = stack.client("logs")
    logs.put_retention_policy(logGroupName="/datacube-wms-local/apps/ows", retentionInDays=30)
    logs.delete_log_group(logGroupName="/datacube-wms-local/var/log/dmesg")


def put_another_key_behind_the_alias(stack: Project) -> str:
    kms = stack.client("kms")
    key = kms.create_key(Description="another one")["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/parameter_store_key", TargetKeyId=key)
    return key


def give_the_role_more_rights(stack: Project) -> None:
    iam = stack.client("iam")
    iam.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.put_role_policy(RoleName=ROLE, PolicyName="by-hand", PolicyDocument=ALL)
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "Project", "Value": "another"}])


def route_requests_elsewhere(stack: Project) -> None:
    elb = stack.client("elbv2")
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    [listener] = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=7, Actions=NOTHING_THERE,
                    Conditions=[{"Field": "path-pattern", "Values": ["/x"]}])


@pytest.fixture(scope="module")
def touched(golden, tmp_path_factory):
    """What `drift` says of the applied stack: as it is, and after people were there by hand and in the configuration."""
    stack = golden.copy(tmp_path_factory.mktemp("drift") / "project")
    plans = stack.folder / ".local" / "plans"
    try:
        (plans / "local.tfplan").write_bytes(b"somebody's plan")
        before = stack.invoke("drift")
        open_the_database(stack)
        touch_the_logs(stack)
        give_the_role_more_rights(stack)
        route_requests_elsewhere(stack)
        moved = move_the_service(stack), put_another_key_behind_the_alias(stack)
        stack.edit("db_storage", "25")
        after = stack.invoke("drift", "--json")
    finally:
        stack.end()
    return before, after, moved, {file.name: file.read_bytes() for file in plans.iterdir()}


def test_right_after_an_apply_nothing_differs(touched):
    """A refresh-only plan tells of dozens of differences here: what AWS and the provider have filled in."""
    before, *_ = touched
    assert (before.code, before.out) == (0, "The account is as the state has it.\n"), before.err
    assert "Not applied yet" not in before.err


def test_whatever_was_done_by_hand_is_told_by_name(touched):
    _, after, (task_definition, key), _ = touched
    assert after.code == 2, after.err
    found = {(one["address"], one["what"], one["attribute"]): one for one in after.json["drift"]}
    rules = {place for place in found if place[2].startswith("ingress rule sgr-")}
    service, alias = ('module.ecs["ows"].aws_ecs_service.service', "changed", "task_definition"), (
        "module.ecs_policy.aws_kms_alias.parameter_store_key", "changed", "target_key_id")
    task = 'module.ecs_policy.aws_iam_role.task["ows"]'
    assert set(found) == {
        *rules, service, alias,
        ('module.ecs["ows"].aws_cloudwatch_log_group.service', "changed", "retention_in_days"),
        ("module.ec2_instances.aws_cloudwatch_log_group.dmesg", "gone", ""),
        (task, "changed", "tags.Project"),
        (task, "extra", "inline policy by-hand"),
        (task, "extra", "policy AdministratorAccess"),
        ('module.load_balancer["shared"].aws_lb_listener.http', "extra", "rule with priority 7"),
    }  # fmt: skip
    assert {place[:2] for place in rules} == {("module.database_layer.aws_security_group.rds", "extra"),
                                              ("module.vpc.aws_default_security_group.closed", "extra")}
    assert {found[place]["account"] for place in rules} == {"tcp 5432 from 0.0.0.0/0 (by hand)"}
    assert found[service]["account"] == task_definition and found[service]["state"].startswith("arn:aws:ecs:")
    assert found[alias]["account"] == key


def test_a_changed_configuration_is_told_apart(touched):
    _, after, *_ = touched
    assert after.json["pending"] == [{"address": "module.database_layer.aws_db_instance.rds", "action": "update"}]


def test_the_plan_that_was_made_for_it_is_offered_to_nobody(touched):
    *_, plans = touched
    assert plans == {"local.tfplan": b"somebody's plan"}
