"""The longest names that the rules let through stay within what AWS takes, and do not meet when they are shortened."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from template_answers import VARIANTS

LONGEST = VARIANTS["longest-names"]
SERVICES = ["s" * 15 + "a", "s" * 15 + "b"]
PINNED = "ghcr.io/example/ows@sha256:" + "0" * 64

# Characters that AWS takes; where Terraform adds to a prefix, less what it adds (26).
LIMITS = {
    ("aws_autoscaling_group", "name"): 255,
    ("aws_cloudwatch_log_group", "name"): 512,
    ("aws_db_instance", "identifier"): 63,
    ("aws_db_parameter_group", "name_prefix"): 229,
    ("aws_db_subnet_group", "name"): 255,
    ("aws_ecs_capacity_provider", "name"): 255,
    ("aws_ecs_cluster", "name"): 255,
    ("aws_ecs_service", "name"): 255,
    ("aws_ecs_task_definition", "family"): 255,
    ("aws_efs_file_system", "creation_token"): 64,
    ("aws_iam_instance_profile", "name"): 128,
    ("aws_iam_role", "name"): 64,
    ("aws_launch_template", "name"): 125,
    ("aws_lb", "name"): 32,
    ("aws_lb_target_group", "name"): 32,
    ("aws_security_group", "name_prefix"): 229,
    ("aws_ssm_parameter", "name"): 1011,
}

MOCKED = """
mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "ap-northeast-1" }
  }
}
override_data {
  target = data.aws_availability_zones.available
  values = { names = ["ap-northeast-1a", "ap-northeast-1c"] }
}
override_resource {
  target = module.ecs_policy.aws_kms_key.parameter_store_key
  values = {}
}
override_resource {
  target = module.ecs_policy.aws_kms_alias.parameter_store_key
  values = {}
}
run "longest" {
  command = plan
}
"""


@pytest.fixture(scope="module")
def planned(bake, terraform, initialised, tmp_path_factory) -> list[tuple[str, dict]]:
    """Type and values of every resource that the longest names make. The provider checks its own limits meanwhile."""
    project = tmp_path_factory.mktemp("longest") / "project"
    shutil.copytree(bake(**LONGEST, jumpbox_cidrs="203.0.113.0/24", nat="per_zone"), project)
    shutil.copy(initialised / ".terraform.lock.hcl", project)
    # `terraform test` is always in the workspace `default`, which is too short to try anything with.
    variables = project / "variables.tf"
    text = variables.read_text()
    assert "var.workspace == terraform.workspace" in text
    variables.write_text(text.replace("var.workspace == terraform.workspace", "var.workspace != terraform.workspace"))
    (project / "tests" / "longest.tftest.hcl").write_text(MOCKED)
    written = {
        "aws_ami": "ami-0123456789abcdef0",
        "db_password": "x" * 24,
        "db_password_version": 1,
        "images": dict.fromkeys(SERVICES, PINNED),
        "services": {service: {"load_balancer": "own", "host": f"{service[-1]}.example.com"} for service in SERVICES},
    }
    (project / "written.tfvars.json").write_text(json.dumps(written))
    files = [f"-var-file=workspaces/{LONGEST['workspace']}.tfvars", "-var-file=written.tfvars.json"]
    said = terraform(
        "test", "-json", "-verbose", "-filter=tests/longest.tftest.hcl", *files,
        folder=project, check=False, TF_DATA_DIR=f"{initialised}.data",
    )  # fmt: skip
    messages = [json.loads(line) for line in said.stdout.splitlines()]
    plan = [message["test_plan"] for message in messages if message["type"] == "test_plan"]
    assert said.returncode == 0 and plan, said.stdout + said.stderr
    return [(change["type"], change["change"]["after"] or {}) for change in plan[0]["resource_changes"]]


@pytest.mark.parametrize(("kind", "attribute"), LIMITS)
def test_the_longest_name_is_short_enough(planned, kind, attribute):
    names = [values[attribute] for found, values in planned if found == kind and values.get(attribute)]
    assert names
    assert all(len(name) <= LIMITS[kind, attribute] for name in names), names


@pytest.mark.parametrize("kind", ["aws_lb", "aws_lb_target_group", "aws_ecs_service", "aws_ecs_task_definition"])
def test_services_whose_names_are_shortened_keep_names_of_their_own(planned, kind):
    names = [values.get("name") or values.get("family") for found, values in planned if found == kind]
    assert len(names) >= len(SERVICES)
    assert all(count == 1 for count in Counter(names).values()), names


def test_every_name_holds_cluster_and_workspace_or_the_digest_of_both(planned):
    whole = f"{LONGEST['cluster']}-{LONGEST['workspace']}"
    for kind, attribute in LIMITS:
        if kind == "aws_ssm_parameter":
            continue
        for name in [values[attribute] for found, values in planned if found == kind and values.get(attribute)]:
            assert whole in name or name.startswith(f"{LONGEST['cluster'][:24]}-"), (kind, name)
