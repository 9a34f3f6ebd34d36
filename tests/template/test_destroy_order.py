"""Nothing is taken away from what still needs it: Terraform destroys in the reverse order of its own graph.

An instance without its way out cannot tell ECS that its tasks have ended, a task without its file system hangs in
the mount: a destroy that takes such a thing first waits until it gives up. Most of these edges come from no value but
from a `depends_on`, which nobody would miss before the day of the destroy.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import hcl2
import pytest

SERVICE = "module.ecs.aws_ecs_service.service"
INSTANCES = "module.ec2_instances.aws_autoscaling_group.asg"

# who -> what has to be there before it comes and until it has gone
OUTLIVED_BY = {
    SERVICE: [
        "module.load_balancer.aws_lb_listener_rule.service",
        "module.load_balancer.aws_lb_listener.http",
        "module.ec2_instances.aws_ecs_cluster_capacity_providers.asg",
        "module.ec2_instances.aws_route.private_nat_route",
        "module.ec2_instances.aws_route_table_association.private",
        "module.ec2_instances.aws_vpc_endpoint.s3",
        "module.ec2_instances.aws_vpc_security_group_egress_rule.instance_all",
        "module.ec2_instances.aws_vpc_security_group_ingress_rule.instance_from_alb",
        "module.ec2_instances.aws_vpc_security_group_egress_rule.alb_to_instance",
        "module.ec2_instances.aws_iam_role_policy_attachment.ecs_ec2_role",
        "module.public_layer.aws_nat_gateway.nat",
        "module.public_layer.aws_route.public_igw_route",
        "module.ecs_policy.aws_iam_role_policy.access_to_ssm",
        "module.ecs_policy.aws_iam_role_policy.mount_file_system",
        "module.ecs_policy.aws_iam_role_policy.read_buckets",
        "module.ecs_policy.aws_iam_role_policy.own",
        "module.ecs_policy.aws_iam_role_policy.execution",
        "module.efs.aws_efs_mount_target.efs_mount_target",
        "module.efs.aws_efs_file_system_policy.efs",
        "module.efs.aws_vpc_security_group_ingress_rule.nfs_from_instances",
        "module.database_layer.aws_db_instance.rds",
        "module.database_layer.aws_vpc_security_group_ingress_rule.postgres",
        "module.database_layer.aws_ssm_parameter.service",
        "module.ecs.aws_cloudwatch_log_group.service",
        INSTANCES,
    ],
    INSTANCES: [
        "module.ec2_instances.aws_route.private_nat_route",
        "module.ec2_instances.aws_route_table_association.private",
        "module.ec2_instances.aws_vpc_security_group_egress_rule.instance_all",
        "module.ec2_instances.aws_iam_role_policy.host_logs",
        "module.ec2_instances.aws_iam_role_policy_attachment.ecs_ec2_role",
        "module.ec2_instances.aws_iam_role_policy_attachment.session_manager",
        *(
            f"module.ec2_instances.aws_cloudwatch_log_group.{log}"
            for log in ("dmesg", "docker", "ecs-agent", "ecs-init", "audit", "messages")
        ),
    ],
    "module.ec2_instances.aws_ecs_capacity_provider.asg": [INSTANCES],
}


@pytest.fixture(scope="module")
def needs(terraform, initialised, tmp_path_factory) -> dict[str, set[str]]:
    """Resource -> the resources that it names or waits for, as Terraform has it."""
    copy = tmp_path_factory.mktemp("graph") / "project"
    shutil.copytree(initialised, copy)
    (copy / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    terraform("init", "-input=false", folder=copy)
    edges: defaultdict[str, set[str]] = defaultdict(set)
    for resource, needed in re.findall(r'^\s*"(.+)" -> "(.+)";$', terraform("graph", folder=copy).stdout, re.MULTILINE):
        edges[resource].add(needed)
    return dict(edges)


def _all_that_it_needs(resource: str, needs: dict[str, set[str]]) -> set[str]:
    """What can be reached from a resource, over however many others."""
    found: set[str] = set()
    waiting = [resource]
    while waiting:
        new = needs.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


@pytest.mark.parametrize(
    "resource, outlived_by", [(resource, other) for resource, others in OUTLIVED_BY.items() for other in others]
)
def test_it_is_destroyed_before_what_it_needs(needs, resource, outlived_by):
    assert outlived_by in _all_that_it_needs(resource, needs)


# In this project `count` and `for_each` make Terraform wait for the whole module; elsewhere only the output carries it.
@pytest.mark.parametrize(
    "module, output, outlived_by",
    [
        (
            "efs",
            "access_point_id",
            [
                "aws_efs_file_system_policy.efs",
                "aws_efs_mount_target.efs_mount_target",
                "aws_vpc_security_group_ingress_rule.nfs_from_instances",
            ],
        ),
        ("load_balancer", "alb_target_groups", ["aws_lb_listener_rule.service"]),
        ("public_layer", "public_subnet_ids", ["aws_route.public_igw_route", "aws_route_table_association.public"]),
    ],
)
def test_whoever_uses_a_module_alone_waits_for_the_same(default_project, module, output, outlived_by):
    declared = hcl2.loads((default_project / "modules" / module / "outputs.tf").read_text(encoding="utf-8"))
    bodies = {name.strip('"'): body for outputs in declared["output"] for name, body in outputs.items()}
    assert sorted(resource.strip("${}") for resource in bodies[output]["depends_on"]) == outlived_by


@pytest.fixture(scope="module")
def key_and_alias(default_project) -> dict[str, dict]:
    """The resources of chamber's key: type -> its lifecycle."""
    declared = hcl2.loads((default_project / "modules" / "ecs_policy" / "main.tf").read_text(encoding="utf-8"))
    named = {
        kind.strip('"'): body
        for resource in declared["resource"]
        for kind, names in resource.items()
        for name, body in names.items()
        if name.strip('"') == "parameter_store_key"
    }
    return {kind: body["lifecycle"][0] for kind, body in named.items()}


def test_the_key_that_others_encrypt_with_is_never_destroyed(key_and_alias):
    assert {kind: lifecycle["prevent_destroy"] for kind, lifecycle in key_and_alias.items()} == {
        "aws_kms_key": True,
        "aws_kms_alias": True,
    }


def test_nor_is_it_changed(key_and_alias):
    assert sorted(key_and_alias["aws_kms_key"]["ignore_changes"]) == [
        "bypass_policy_lockout_safety_check",
        "deletion_window_in_days",
        "description",
        "enable_key_rotation",
        "policy",
        "rotation_period_in_days",
        "tags",
        "tags_all",
    ]


@pytest.fixture
def user_data(terraform, project_source: Path, tmp_path: Path) -> str:
    """What an instance runs at its first boot, rendered by Terraform itself."""
    folder = tmp_path / "user_data"
    folder.mkdir()
    shutil.copy(project_source / "modules" / "ec2_instances" / "templates" / "user_data.sh.tftpl", folder)
    values = {"cluster": "maps-dev", "log_files": {"/var/log/dmesg": "/maps-dev/var/log/dmesg"}}
    value = f'${{templatefile("${{path.module}}/user_data.sh.tftpl", jsondecode({json.dumps(json.dumps(values))}))}}'
    (folder / "main.tf.json").write_text(json.dumps({"output": {"user_data": {"value": value}}}))
    terraform("apply", "-auto-approve", "-input=false", folder=folder)
    return terraform("output", "-raw", "user_data", folder=folder).stdout


def test_the_first_boot_is_a_script_that_bash_takes(user_data, need, tmp_path):
    bash = need("bash", "It comes with your system, or with Git for Windows.")
    script = tmp_path / "user_data.sh"
    script.write_text(user_data, encoding="utf-8")
    ran = subprocess.run([bash, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")  # a here-document without an end is only a warning
    assert user_data.startswith("#!/bin/bash\n")
    assert "${" not in user_data and "%{" not in user_data
