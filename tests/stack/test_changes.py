"""What people change most: each change touches only what it must, and a plan after it is clean."""

from __future__ import annotations

import re

import pytest

JOB = 'module.jobs.aws_ecs_task_definition.job["admin"]'
TASK = 'module.ecs["ows"].aws_ecs_task_definition.service-task'
SERVICE = 'module.ecs["ows"].aws_ecs_service.service'


def rewrite(stack, pattern: str, replacement: str) -> None:
    file = stack.folder / "workspaces" / "local.tfvars"
    text, count = re.subn(pattern, replacement, file.read_text())
    assert count == 1, f"{pattern} should be there once"
    file.write_text(text)


def another_image(stack):
    rewrite(stack, r"  ows = \{\n", '  ows = {\n    image = "ghcr.io/opendatacube/ows:1.9.15"\n')


def another_count(stack):
    rewrite(stack, r"desired_count = 1", "desired_count = 2")


def another_instance_type(stack):
    rewrite(stack, r'instance_type = "t3\.medium"', 'instance_type = "t3.large"')


def a_jumpbox(stack):
    rewrite(stack, r"jumpbox_cidrs = \[\]", 'jumpbox_cidrs = ["203.0.113.0/24"]')


def a_second_service(stack):
    rewrite(stack, r"services = \{\n", 'services = {\n  tiles = { path = "/tiles*" }\n')


CHANGES = {
    another_image: {TASK: "replace", SERVICE: "update", JOB: "replace"},
    another_count: {SERVICE: "update"},
    another_instance_type: {
        "module.ec2_instances.aws_launch_template.launch": "update",
        "module.ec2_instances.aws_autoscaling_group.asg": "update",
    },
    a_jumpbox: dict.fromkeys((
        "module.public_layer.aws_instance.jumpbox[0]",
        "module.public_layer.aws_security_group.jump_ssh_sg[0]",
        'module.public_layer.aws_vpc_security_group_ingress_rule.jump_ssh["203.0.113.0/24"]',
        "module.public_layer.aws_vpc_security_group_egress_rule.jump_all[0]",
        'module.ec2_instances.aws_vpc_security_group_ingress_rule.instance_from_jumpbox["jumpbox"]',
        'module.database_layer.aws_vpc_security_group_ingress_rule.postgres["jumpbox"]',
    ), "create"),
    a_second_service: dict.fromkeys((
        'module.ecs["tiles"].aws_ecs_task_definition.service-task',
        'module.ecs["tiles"].aws_ecs_service.service',
        'module.ecs["tiles"].aws_cloudwatch_log_group.service',
        'module.ecs_policy.aws_iam_role.task["tiles"]',
        'module.ecs_policy.aws_iam_role_policy.access_to_ssm["tiles"]',
        'module.ecs_policy.aws_iam_role_policy.mount_file_system["tiles"]',
        'module.ecs_policy.aws_iam_role_policy.execute_command["tiles"]',
        'module.load_balancer["shared"].aws_lb_target_group.service["tiles"]',
        'module.load_balancer["shared"].aws_lb_listener_rule.service["tiles"]',
    ), "create") | {"module.ecs_policy.aws_iam_role_policy.execution": "update"},  # its log group
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_touches_only_what_it_must_and_settles(stack, change):
    change(stack)
    assert stack.plan() == CHANGES[change]
    stack.must("apply", "--yes")
    stack.require_clean()
