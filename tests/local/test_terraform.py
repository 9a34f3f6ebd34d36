"""What only the real Terraform shows: a provider that crashes, and the state bucket with its lock."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tasks.core import embedded_aws
from tasks.core.embedded_aws import Server

BUCKET = "state-of-two-people"
HEAD = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
  %s
}
provider "aws" { allowed_account_ids = ["000000000000"] }
"""
BRIDGE_SERVICE = """
resource "aws_ecs_cluster" "this" { name = "c" }
resource "aws_ecs_task_definition" "this" {
  family                = "t"
  container_definitions = jsonencode([{ name = "c", image = "i", memory = 128 }])
}
resource "aws_ecs_service" "this" {
  name            = "s"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = 0
}
"""
BACKEND = f"""backend "s3" {{
    bucket       = "{BUCKET}"
    key          = "a/terraform.tfstate"
    use_lockfile = true
    encrypt      = true
  }}"""
SLOW = """
resource "aws_ssm_parameter" "this" {
  name  = "/a"
  type  = "String"
  value = "1"
  provisioner "local-exec" { command = "touch started; while [ ! -e go-on ]; do sleep 0.1; done" }
}
"""


@pytest.fixture
def terraform(tmp_path, terraform_environment) -> Callable[..., subprocess.Popen]:
    """`terraform(server, "plan")` starts Terraform on a server, in this test's folder."""

    def run(server: Server, *words: str) -> subprocess.Popen:
        environment = {**terraform_environment, "AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": "000000000000",
                       "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "ap-southeast-2"}
        return subprocess.Popen(["terraform", *words, "-no-color", "-input=false"], cwd=tmp_path, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    return run


def _must(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def test_a_bridge_service_crashes_the_provider_without_its_mend(tmp_path, terraform, python, home):
    """With the mend it does not: the whole stack is applied in tests/stack."""
    (tmp_path / "main.tf").write_text(HEAD % "" + BRIDGE_SERVICE)
    unmended = embedded_aws.start(home, python, options=["--without-mend", "ecs.no-empty-network"])
    _must(terraform(unmended, "init"))
    output, _ = terraform(unmended, "apply", "-auto-approve").communicate(timeout=120)
    assert "The terraform-provider-aws" in output and "plugin crashed!" in output


def test_the_state_bucket_is_reached_by_address_and_its_lock_holds(tmp_path, terraform, mended, clients):
    clients(mended)("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    (tmp_path / "main.tf").write_text(HEAD % BACKEND + SLOW)
    _must(terraform(mended, "init"))
    first = terraform(mended, "apply", "-auto-approve")
    assert embedded_aws._until(lambda: (tmp_path / "started").exists() or first.poll() is not None, 120)
    assert first.poll() is None, first.communicate()[0]
    second, _ = terraform(mended, "plan").communicate(timeout=60)
    (tmp_path / "go-on").touch()
    _must(first)
    assert "Error acquiring the state lock" in second and "PreconditionFailed" in second
    assert "No changes." in _must(terraform(mended, "plan"))
    found = clients(mended)("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [each["Key"] for each in found] == ["a/terraform.tfstate"]
