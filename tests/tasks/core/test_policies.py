"""The printed policies: whole, narrow, small enough, and never the end of the key. That they suffice: tests/stack."""

from __future__ import annotations

import ast
import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session as Botocore

import tasks
from canned_aws import CannedAws, refusal
from tasks.core import policy
from tasks.core.console import Refused
from tasks.core.policy import places, recorded
from tasks.core.session import Session

KEY = "arn:aws:kms:ap-southeast-2:111111111111:key/1234"
READS = ("Describe", "Filter", "Get", "Head", "List")
NOBODYS = {"kms:ScheduleKeyDeletion"}  # a person's with rights of their own
BOTO3 = {"elbv2": "elasticloadbalancing", "efs": "elasticfilesystem", "service-quotas": "servicequotas"}
ROLES = pytest.mark.parametrize("role", policy.ROLES)


@pytest.fixture
def dev(local, root) -> Session:
    from tasks.core import settings

    return Session(settings.load("dev", root), {}, None)


@pytest.fixture
def statements(dev):
    """`statements("plan")`: every statement of a role's documents."""

    def of(role: str, key: str | None = KEY) -> list[dict]:
        return [each for document in policy.build(dev, role, key).documents for each in document["Statement"]]

    return of


def allows(statements: list[dict], action: str, resource: str) -> bool:
    """What IAM answers, but for conditions."""
    fitting = [each for each in statements if action in each["Action"]
               and any(fnmatchcase(resource, pattern) for pattern in each["Resource"])]
    return bool(fitting) and all(each["Effect"] == "Allow" for each in fitting)


@ROLES
def test_each_document_fits_a_managed_policy_and_names_each_statement_once(dev, role):
    documents = policy.build(dev, role, KEY).documents
    assert documents and all(len(policy.compact(document)) <= policy.MOST for document in documents)
    for document in documents:
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert len(sids) == len(set(sids)) and all(sid.isalnum() for sid in sids)


@ROLES
def test_no_brace_is_left_to_fill(statements, role):
    assert not set("{}") & set("".join(resource for each in statements(role) for resource in each["Resource"]))
    for condition in (each["Condition"]["StringEquals"] for each in statements(role) if "Condition" in each):
        assert "{" not in str(list(condition.values()))


@ROLES
def test_every_role_is_denied_the_end_of_the_key_and_allowed_none_of_it(statements, role):
    deny, *allowed = statements(role)
    assert deny["Effect"] == "Deny" and set(deny["Action"]) == set(policy.NEVER) and deny["Resource"] == "*"
    assert {"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteAlias"} <= set(policy.NEVER)
    assert not [action for each in allowed for action in each["Action"] if action in policy.NEVER]


def test_the_plan_role_changes_nothing_but_the_lock_of_the_state(statements):
    _, *allowed = statements("plan")
    writes = {(action, resource.partition(":::")[2].partition("/")[2]) for each in allowed for action in each["Action"]
              if not action.partition(":")[2].startswith(READS) for resource in each["Resource"]}
    assert writes <= {("s3:PutObject", "env:/dev/*.tflock"), ("s3:DeleteObject", "env:/dev/*.tflock")}


def test_the_plan_role_reads_where_the_database_is_and_no_secret(statements, slug):
    found = statements("plan")
    parameter = f"arn:aws:ssm:ap-southeast-2:111111111111:parameter/{slug}-dev"
    assert allows(found, "ssm:GetParameter", f"{parameter}/db_hostname")
    assert not allows(found, "ssm:GetParameter", f"{parameter}-admin/db_password")
    assert not allows(found, "ssm:GetParameter", f"{parameter}/api_key")
    assert not [each for each in found if "kms:Decrypt" in each["Action"] or "ssm:GetParametersByPath" in each["Action"]]


@pytest.mark.parametrize("role", [role for role in policy.ROLES if role != "remove"])  # that takes every workspace's away
def test_another_workspace_is_out_of_reach(statements, role, slug):
    found, here, iam = statements(role), "ap-southeast-2:111111111111", "arn:aws:iam::111111111111"
    bucket = f"arn:aws:s3:::{slug}-state-111111111111-ap-southeast-2"
    for action, mine, theirs in (
        ("s3:GetObject", f"{bucket}/env:/dev/x/terraform.tfstate", f"{bucket}/env:/prod/x/terraform.tfstate"),
        ("iam:GetRole", f"{iam}:role/{slug}-dev-task", f"{iam}:role/{slug}-dev2-task"),
        ("logs:FilterLogEvents", f"arn:aws:logs:{here}:log-group:/{slug}-dev/", f"arn:aws:logs:{here}:log-group:/{slug}-x/"),
        ("ecs:DescribeServices", f"arn:aws:ecs:{here}:service/{slug}-dev/ows", f"arn:aws:ecs:{here}:service/{slug}-x/ows"),
    ):
        assert allows(found, action, mine) and not allows(found, action, theirs), action


@pytest.mark.parametrize("action", ["ec2:DescribeVpcs", "ecs:ListServices", "ecs:RegisterTaskDefinition", "iam:ListRoles",
                                    "kms:CreateKey", "kms:ListAliases", "logs:DescribeLogGroups", "rds:DescribeDBInstances",
                                    "s3:ListAllMyBuckets", "ssm:DescribeParameters", "ecr:GetAuthorizationToken"])
def test_what_aws_knows_no_narrower_resource_for_is_not_narrowed(action):
    """IAM would take the document, and refuse every call."""
    assert places.PLACES[places.of_action(action, only_looks=False)].resources == ("*",)


def test_a_key_that_is_known_is_the_only_one(statements):
    for key, resource in ((KEY, KEY), (None, "arn:aws:kms:ap-southeast-2:111111111111:key/*")):
        secrets = next(each for each in statements("deploy", key) if each["Sid"] == "SecretsThroughTheKey")
        assert secrets["Resource"] == [resource]


def test_roles_are_passed_to_the_services_that_take_them_and_to_no_other(statements, slug):
    passing = next(each for each in statements("deploy") if each["Action"] == ["iam:PassRole"])
    assert passing["Resource"] == [f"arn:aws:iam::111111111111:role/{slug}-dev-*"]
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "ecs-tasks.amazonaws.com", "ec2.amazonaws.com", "scheduler.amazonaws.com"]


def test_a_name_that_is_shortened_is_still_its_own(dev):
    long = "a-project-with-a-long-nm-and-more-and-more"
    assert places.shortened(long) == [f"{long}-", f"{long[:24]}-"]
    assert places.shortened("short-dev") == ["short-dev-"]


def test_what_only_documentation_knows_of_has_its_source():
    from tasks.core.policy.implied import IMPLIED

    assert all(each.source.startswith(("https://docs.aws.amazon.com/", "tasks/")) and each.because for each in IMPLIED)


@ROLES
def test_what_was_recorded_are_operations_of_aws(role):
    """A misread request would give an action that does not exist, which IAM takes without a word."""
    names = {value: key for key, value in BOTO3.items()} | {"elasticloadbalancing": "elbv2"}
    for service, operations in recorded._record().get(role, {}).items():
        known = Botocore().get_service_model(names.get(service, service)).operation_names
        assert set(operations) <= set(known), service


def test_destroy_may_take_a_snapshot_with_tags_and_the_record_but_no_state(statements, slug):
    found, here = statements("destroy"), "ap-southeast-2:111111111111"
    for action in ("rds:CreateDBSnapshot", "rds:AddTagsToResource"):
        assert allows(found, action, f"arn:aws:rds:{here}:snapshot:{slug}-dev-20260101t000000z"), action
    bucket = f"arn:aws:s3:::{slug}-state-111111111111-ap-southeast-2/env:/dev"
    assert allows(found, "s3:DeleteObject", f"{bucket}/{slug}/database.json")
    assert not allows(found, "s3:DeleteObject", f"{bucket}/{slug}/terraform.tfstate")


def test_destroy_may_read_the_secrets_that_it_exports_and_nobody_elses(statements, slug):
    found, parameter = statements("destroy"), f"arn:aws:ssm:ap-southeast-2:111111111111:parameter/{slug}"
    assert allows(found, "ssm:GetParametersByPath", f"{parameter}-dev-admin/")
    assert not allows(found, "ssm:GetParametersByPath", f"{parameter}-prod-admin/")
    [decrypts] = [each for each in found if "kms:Decrypt" in each["Action"]]
    assert decrypts["Resource"] == [KEY] and decrypts["Action"] == ["kms:Decrypt"]
    assert decrypts["Condition"] == {"StringEquals": {"kms:ViaService": "ssm.ap-southeast-2.amazonaws.com"}}


def test_deploy_rescues_the_key_that_it_names_and_no_other(statements):
    """`deploy` names kms.rescue where the key is on its way: whoever ran the one can run the other."""
    for action in ("kms:CancelKeyDeletion", "kms:EnableKey"):
        assert allows(statements("deploy"), action, KEY) and not allows(statements("deploy"), action, f"{KEY}5")
        assert not any(allows(statements(role), action, KEY) for role in ("plan", "destroy", "remove"))


def test_who_changes_something_may_ask_first_whether_all_of_it_is_allowed(statements):
    for role, asks in (("plan", False), ("deploy", True), ("destroy", True), ("remove", True)):
        found = allows(statements(role), "iam:SimulatePrincipalPolicy", "arn:aws:iam::111111111111:role/any/deployer")
        assert found is asks, role


@pytest.fixture
def iam(dev, monkeypatch):
    """`iam({"rds:DeleteDBInstance"}, key)`: an account whose IAM refuses these; answers the session."""

    def answer(refuses: set[str], key: str | None = KEY) -> CannedAws:
        def simulate(**asked) -> dict:
            said = {True: "implicitDeny", False: "allowed"}
            return {"EvaluationResults": [{"EvalActionName": each, "EvalDecision": said[each in refuses]}
                                          for each in asked["ActionNames"]]}

        kms = {"KeyMetadata": {"KeyId": "1234", "Arn": key, "KeyState": "Enabled"}} if key else refusal("NotFoundException")
        aws = CannedAws(dev.settings, describe_key=kms, simulate_principal_policy=simulate, get_caller_identity={
            "Arn": "arn:aws:sts::111111111111:assumed-role/deployer/me"})
        aws.partition, aws.require_account = "aws", lambda: "111111111111"
        return aws

    return answer


def resources_asked_about(aws, action: str) -> set[str]:
    return {resource for call in aws.calls("simulate_principal_policy") if action in call["ActionNames"]
            for resource in call["ResourceArns"]}


def test_iam_is_asked_about_the_key_itself(iam):
    """Not about any key: the printed policy grants the real one alone."""
    aws = iam(set())
    assert policy.missing(aws, "deploy") == []
    for action in ("kms:Encrypt", "kms:GetKeyPolicy", "kms:EnableKey"):
        assert resources_asked_about(aws, action) == {KEY}, action
    assert {call["PolicySourceArn"] for call in aws.calls("simulate_principal_policy")} == {
        "arn:aws:iam::111111111111:role/deployer"}


def test_while_there_is_no_key_iam_is_asked_nothing_about_it(iam):
    aws = iam({"kms:Encrypt", "kms:GetKeyPolicy", "kms:CreateAlias", "kms:CreateKey"}, key=None)
    assert policy.missing(aws, "deploy") == ["kms:CreateAlias", "kms:CreateKey"], "these make it"


@ROLES
def test_what_iam_would_refuse_is_one_sentence_and_whether_it_may_be_asked_is_not_asked(iam, role):
    aws = iam({"ecs:DescribeServices", "s3:GetObject", "iam:SimulatePrincipalPolicy"})
    with pytest.raises(Refused, match="may not do ecs:DescribeServices, s3:GetObject. Nothing was changed") as refused:
        policy.require(aws, role)
    assert refused.value.run == f"invoke doctor -w dev --policy {role}"


def test_where_iam_does_not_say_everything_goes_on(iam):
    aws = iam(set())
    aws.answers["simulate_principal_policy"] = refusal("AccessDenied")
    assert policy.missing(aws, "deploy") is None
    policy.require(aws, "deploy")


def test_remove_empties_its_own_bucket_and_no_other_one(statements, slug):
    found, bucket = statements("remove"), f"arn:aws:s3:::{slug}-state-111111111111-ap-southeast-2"
    for action, resource in (("s3:DeleteBucket", bucket), ("s3:ListBucketVersions", bucket),
                             ("s3:DeleteObjectVersion", f"{bucket}/env:/prod/x/terraform.tfstate")):
        assert allows(found, action, resource) and not allows(found, action, resource.replace("-state-", "-maps-")), action
    assert allows(found, "ecr:DeleteRepository", f"arn:aws:ecr:ap-southeast-2:111111111111:repository/{slug}")


# Files whose calls are a role's, every one of them; but of a state's history, plan puts nothing back.
OF_A_ROLE = {
    "plan": ("unseen.py", "state_history.py", "neighbours.py", "log_adoption.py", "checks.py"),
    "deploy": ("state_bucket.py", "registry.py", "revisions.py", "recovery/*.py"),
    "destroy": ("teardown/drain.py", "teardown/key.py", "teardown/refusals.py", "teardown/remains.py",
                "teardown/snapshot.py", "database_record.py", "recovery/*.py"),
    "remove": ("teardown/bootstrapped.py",),
}


@ROLES
def test_a_role_may_call_what_its_own_files_call(statements, role):
    allowed = {action for each in statements(role) for action in each["Action"]} | NOBODYS
    core = Path(tasks.__file__).parent / "core"
    missing = {}
    for file in (file for pattern in OF_A_ROLE[role] for file in core.glob(pattern)):
        calls = _calls(file) - allowed - ({"s3:PutObject"} if role == "plan" else set())
        if calls:
            missing[file.name] = sorted(calls)
    assert not missing


def test_every_call_of_the_tasks_is_some_roles(statements):
    """A new call in the tasks wants `invoke record-policy`."""
    allowed = {action for role in policy.ROLES for each in statements(role) for action in each["Action"]}
    missing = {}
    for file in sorted(Path(tasks.__file__).parent.rglob("*.py")):
        calls = _calls(file) - allowed - NOBODYS
        if calls:
            missing[file.name] = sorted(calls)
    assert not missing, f"Record them: invoke record-policy. {missing}"


def _calls(file: Path) -> set[str]:
    """The IAM actions of the boto3 calls in a file: what is called there by an operation's name, of a service used there."""
    used, names = set(), set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if node.func.attr == "client" and isinstance(first, str):
                used.add(first)
            names.add(first if node.func.attr == "get_paginator" else node.func.attr)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant):  # recovery's `items` is told an operation's name
            names.add(node.value)
    return {action for service in used for operation in Botocore().get_service_model(service).operation_names
            if xform_name(operation) in names for action in recorded.of_operation(BOTO3.get(service, service), operation)}


def test_doctor_prints_a_document_a_line_and_says_what_was_proven(invoke, embedded):
    answer = invoke("doctor", "--policy", "deploy", AWS_ENDPOINT_URL=embedded.endpoint)
    assert answer.returncode == 0, answer.stderr
    documents = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(documents) > 1 and all(document["Version"] == "2012-10-17" for document in documents)
    for said in ("Proven: ", "with IAM enforced there, they sufficed", "not proven:", "iam:PassRole: ", "https://docs.aws",
                 "kms:ScheduleKeyDeletion", "any key of the account is allowed"):
        assert said in answer.stderr, said
    answer = invoke("doctor", "--policy", "deploy", "--json", AWS_ENDPOINT_URL=embedded.endpoint)
    found = json.loads(answer.stdout)
    assert found["documents"] == documents and found["role"] == "deploy" and found["implied"] and found["proven"]


def test_a_role_that_there_is_not_is_bad_input(invoke, embedded):
    answer = invoke("doctor", "--policy", "admin", AWS_ENDPOINT_URL=embedded.endpoint)
    assert answer.returncode == 4 and "plan: look" in answer.stderr and answer.stdout == ""
