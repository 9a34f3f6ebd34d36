"""Roles with the printed policies and nothing more, in an embedded AWS that enforces IAM.

What it enforces: each call's action, and its resource where the embedded AWS names it in its check (ENFORCED); elsewhere
it asks for any resource, so there a document is widened before it is used. Conditions and the implied actions it does
not know.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from botocore.exceptions import ClientError

from acting_as import ActingAs, User
from driven_project import STATE_BUCKET, Project
from tasks.core import embedded_aws, policy

ENFORCED = {"TheKeyStays", "StateLock", "State", "StateBucket", "EveryState", "RecordOfTheDatabase", "TagsOfBuckets",
            "Secrets", "WhereTheDatabaseIs", "Logs", "Schedules"}
SECRET = ("datacube-wms-local-admin", "db_password")

# The plan role's tasks, the quickest first.
LOOKING = (("kms.status",), ("chamber.list", "datacube-wms-local"), ("service.status",), ("logs.tail",), ("output",),
           ("plan",))
SAMPLE = ("ecs:DescribeServices", "kms:DescribeKey", "logs:FilterLogEvents", "ssm:DescribeParameters",
          "ec2:DescribeVpcs", "ssm:GetParameter")
GRANTED = "sts:GetCallerIdentity"  # to everybody
EVERY = int(os.environ.get("FAULT_MOMENTS", "0")) > 2  # `invoke faults`: each action that a role needs, one run each

# The tasks of the roles that change something, an action of each, and what asks for it before anything is changed.
CHANGING = {"deploy": ("deploy", "--yes"), "destroy": ("destroy", "-w", "local", "--confirm", "local")}
SAMPLES = {"deploy": ("ecs:CreateService",), "destroy": ("rds:DeleteDBInstance",)}
LATER = (("deploy", "ssm:DeleteParameter", ("chamber.delete", *SECRET, "--yes")),
         ("destroy", "ecs:UpdateService", (*CHANGING["destroy"], "--no-permission-check")))


@dataclass
class Enforced:
    """A copy of the applied stack whose embedded AWS enforces IAM; ``project`` acts as the user that ``be`` names."""

    project: Project
    aws: ActingAs
    users: dict[str, User]

    def be(self, role: str) -> None:
        self.aws.user = self.users[role] if role else None

    def client(self, service: str):
        return boto3.client(service, region_name="ap-southeast-2", endpoint_url=self.aws.address,
                            aws_access_key_id="000000000000", aws_secret_access_key="local")

    def state_serial(self) -> int:
        self.be("")
        found = self.client("s3").list_objects_v2(Bucket=STATE_BUCKET, Prefix="env:/local/")["Contents"]
        key = next(each["Key"] for each in found if each["Key"].endswith(".tfstate"))
        return json.loads(self.client("s3").get_object(Bucket=STATE_BUCKET, Key=key)["Body"].read())["serial"]

    def make(self, role: str) -> None:
        """A user with a role's policies, as `doctor --policy` prints them."""
        self.be("")
        iam = self.client("iam")
        iam.create_user(UserName=role)
        for number, line in enumerate(self.project.must("doctor", "--policy", role).out.splitlines()):
            iam.put_user_policy(UserName=role, PolicyName=f"{role}-{number}", PolicyDocument=json.dumps(_widened(line)))
        key = iam.create_access_key(UserName=role)["AccessKey"]
        self.users[role] = User(role, key["AccessKeyId"], key["SecretAccessKey"])

    def also(self, role: str, effect: str, action: str) -> None:
        """Allow or deny a role one action more; the next call takes its place."""
        self.be("")
        self.client("iam").put_user_policy(UserName=role, PolicyName="also", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]}))


def _widened(line: str) -> dict:
    document = json.loads(line)
    for statement in document["Statement"]:
        statement.pop("Condition", None)
        if statement["Sid"] not in ENFORCED:
            statement["Resource"] = "*"
    return document


@pytest.fixture(scope="module")
def enforced(golden, tmp_path_factory) -> Iterator[Enforced]:
    folder = tmp_path_factory.mktemp("enforced") / "project"
    shutil.copytree(golden.project.folder, folder, symlinks=True)
    home = folder / ".local" / "aws"
    python = folder / ".local" / "ministack" / "bin" / "python"
    server = subprocess.Popen([python, "-B", folder / "local" / "serve.py", "--home", home], cwd=home,
                              env={**golden.project.environment, "AUTH": "true"})
    try:
        deadline = time.monotonic() + 30
        while not (found := embedded_aws.look(home)).running:
            assert time.monotonic() < deadline and server.poll() is None, "The server does not answer."
            time.sleep(0.1)
        with ActingAs(found.endpoint, golden.port) as aws:
            made = Enforced(Project(folder, {**golden.project.environment, "AWS_ENDPOINT_URL": aws.address}), aws, {})
            for role in policy.ROLES:
                made.make(role)
            yield made
    finally:
        server.terminate()
        server.wait(30)


def refused(answer, action: str) -> None:
    """The task failed and its sentence names the action."""
    assert answer.code in (1, 3), (answer.code, answer.err)
    assert action in answer.err and "Traceback" not in answer.err


def test_the_plan_role_plans_and_can_neither_apply_nor_read_a_secret(enforced):
    project, before = enforced.project, enforced.state_serial()
    project.edit("log_retention_days", "7")
    enforced.be("plan")
    assert project.invoke("plan", "--detailed-exitcode").code == 2
    refused(project.invoke("apply", "--yes"), "ssm:GetParameter")
    refused(project.invoke("chamber.read", *SECRET), "ssm:GetParameter")
    refused(project.invoke("chamber.delete", *SECRET, "--yes"), "ssm:DeleteParameter")
    assert enforced.state_serial() == before


def test_the_deploy_role_deploys_a_change_and_cannot_end_the_key(enforced):
    project = enforced.project
    project.edit("log_retention_days", "14")
    enforced.be("deploy")
    project.must("deploy", "--yes")
    kms = enforced.client("kms")
    key = kms.describe_key(KeyId="alias/parameter_store_key")["KeyMetadata"]["KeyId"]
    for end in (lambda: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7), lambda: kms.disable_key(KeyId=key),
                lambda: kms.delete_alias(AliasName="alias/parameter_store_key")):
        with pytest.raises(ClientError, match="explicit deny"):
            end()
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_doctor_says_before_any_change_what_the_credentials_may_not_do(enforced):
    enforced.also("plan", "Allow", "iam:SimulatePrincipalPolicy")
    enforced.be("plan")
    checks = {check["name"]: check for check in enforced.project.invoke("doctor", "--json").json["checks"]}
    assert checks["permissions"]["verdict"] == "warning" and "ecs:CreateService" in checks["permissions"]["found"]
    assert "ecs:DescribeServices" not in checks["permissions"]["found"]


@pytest.fixture(scope="module")
def asked(enforced) -> dict[str, tuple[str, ...]]:
    """action -> the quickest task of the plan role that asks for it. As that role: it may do all of them."""
    enforced.be("plan")
    for task in LOOKING:
        enforced.aws.role = task[0]
        enforced.project.must(*task)
    calls = enforced.aws.calls
    return {action: task for task in reversed(LOOKING) for service, operations in calls[task[0]].items()
            for operation in operations for action in policy.of_operation(service, operation)}


@pytest.mark.parametrize("action", sorted(policy.actions("plan") - {GRANTED}) if EVERY else SAMPLE)
def test_a_missing_permission_is_named(enforced, asked, action):
    if EVERY and action not in asked:
        pytest.skip("no task of the workspace local asks for it")
    enforced.also("plan", "Deny", action)
    enforced.be("plan")
    answer = enforced.project.invoke(*asked[action])
    if EVERY and (answer.code, answer.out) == (0, "Nothing to change.\n"):
        pytest.skip("Terraform's provider comes to the same plan without it")
    refused(answer, action)


@pytest.mark.parametrize(("role", "action"), [
    (role, action) for role in CHANGING
    for action in (sorted(policy.actions(role) - policy.actions("plan") - {GRANTED}) if EVERY else SAMPLES[role])])
def test_a_permission_that_will_be_missing_is_named_before_anything_is_changed(enforced, role, action):
    before = enforced.state_serial()
    enforced.also(role, "Deny", action)
    enforced.be(role)
    answer = enforced.project.invoke(*CHANGING[role])
    refused(answer, action)
    assert answer.code == 3 and "--no-permission-check" in answer.err and enforced.state_serial() == before


@pytest.mark.parametrize(("role", "action", "task"), LATER, ids=["deploy", "destroy"])
def test_a_permission_that_is_missing_after_all_is_named_and_nothing_is_lost(enforced, role, action, task):
    before = enforced.state_serial()
    enforced.also(role, "Deny", action)
    enforced.be(role)
    answer = enforced.project.invoke(*task)
    refused(answer, action.partition(":")[2])
    assert "has begun" not in answer.err and enforced.state_serial() == before


@pytest.mark.parametrize("task", [("plan",), ("apply", "--yes"), ("deploy", "--yes"), ("chamber.list", "any")], ids=" ".join)
def test_credentials_that_aws_does_not_know_stop_before_any_change(enforced, task):
    before = enforced.state_serial()
    enforced.aws.user = User("nobody", "AKIA0000000000000000", "expired")
    answer = enforced.project.invoke(*task)
    assert answer.code == 1 and "AWS refuses these credentials" in answer.err and "aws sso login" in answer.err
    assert enforced.state_serial() == before


def test_another_region_is_another_state_and_nothing_is_made_there(enforced):
    enforced.be("")
    enforced.project.edit("region", '"us-east-1"')
    try:
        for task in (("plan",), ("apply", "--yes"), ("output",)):
            answer = enforced.project.invoke(*task)
            assert answer.code == 3 and "us-east-1 is not there yet" in answer.err and "invoke bootstrap" in answer.err
    finally:
        enforced.project.edit("region", '"ap-southeast-2"')
