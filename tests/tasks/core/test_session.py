"""Which account a workspace reaches: never another one, whatever the caller's shell holds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from botocore import exceptions

from half_answering_aws import HalfAnsweringAws
from tasks.core import session as sessions
from tasks.core import settings
from tasks.core.console import Refused

LEFT_OVER = {
    "AWS_PROFILE": "customer", "AWS_DEFAULT_PROFILE": "customer", "AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": "t",
    "AWS_ACCESS_KEY_ID": "222222222222", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ROLE_ARN": "arn:aws:iam::2:role/x",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/none", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "{config}",
    "AWS_SHARED_CREDENTIALS_FILE": "{config}", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_CA_BUNDLE": "/none", "AWS_MAX_ATTEMPTS": "1",
    "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1",
}  # fmt: skip
CONFIGURATION = """\
[default]
aws_access_key_id = 333333333333
aws_secret_access_key = x
region = us-east-1
endpoint_url = http://127.0.0.1:1
[profile customer]
aws_access_key_id = 333333333333
aws_secret_access_key = x
"""
PROVIDER = """
data "aws_caller_identity" "now" {}
output "account" { value = data.aws_caller_identity.now.account_id }
"""


@pytest.fixture
def left_over(monkeypatch, tmp_path) -> dict[str, str]:
    """What a shell may hold that was just used for somebody else's account."""
    config = tmp_path / "aws.ini"
    config.write_text(CONFIGURATION)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIGURATION)
    monkeypatch.setenv("HOME", str(tmp_path))
    shell = {name: value.format(config=config) for name, value in LEFT_OVER.items()}
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    return shell


def credentials(monkeypatch, account: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)  # the embedded AWS takes 12 digits for the account
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


def test_local_is_always_the_embedded_account(aws):
    assert aws.require_account() == aws.account() == "000000000000"


def test_nothing_of_the_callers_shell_reaches_local(embedded, local, monkeypatch, left_over):
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    session = sessions.connect(local)
    assert session.require_account() == "000000000000"
    session.client("s3").list_buckets()
    assert session.client("s3").meta.region_name == "ap-southeast-2"
    assert session.environment == {
        **{name: value for name, value in os.environ.items() if name not in left_over and name != "AWS_ENDPOINT_URL"},
        "AWS_ENDPOINT_URL": embedded.endpoint, "AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "ap-southeast-2", "AWS_DEFAULT_REGION": "ap-southeast-2", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NO_PROXY": "*",
    }  # fmt: skip


def test_local_says_how_to_start_the_embedded_aws(local):
    with pytest.raises(Refused, match="The embedded AWS is not running.") as refused:
        sessions.connect(local)
    assert refused.value.run == "invoke local.up"


def test_the_right_account_is_let_through_outside_local(embedded, root, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    credentials(monkeypatch, "111111111111")
    session = sessions.connect(settings.load("dev", root), endpoint_from_env=True)
    assert session.require_account() == "111111111111"
    assert session.environment["AWS_ACCESS_KEY_ID"] == "111111111111"
    assert session.environment["AWS_REGION"] == session.environment["AWS_DEFAULT_REGION"] == "ap-southeast-2"


def test_another_account_is_refused_with_both_numbers(embedded, root, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    credentials(monkeypatch, "222222222222")
    with pytest.raises(Refused) as refused:
        sessions.connect(settings.load("dev", root), endpoint_from_env=True).require_account()
    assert refused.value.code == 3
    assert "account 222222222222" in refused.value.message and "111111111111" in refused.value.message


def test_an_account_that_is_not_known_is_refused_before_anything_is_asked(root, monkeypatch):
    file = root / "workspaces" / "dev.tfvars"
    file.write_text(file.read_text().replace("111111111111", ""))
    with pytest.raises(Refused, match="not known yet"):
        sessions.connect(settings.load("dev", root)).require_account()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB"])
def test_an_endpoint_left_in_the_shell_is_refused_outside_local(root, monkeypatch, name):
    dev = settings.load("dev", root)
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    with pytest.raises(Refused, match=f"{name} is set") as refused:
        sessions.connect(dev)
    assert (refused.value.code, refused.value.run) == (3, f"unset {name}")
    assert "--endpoint-from-env" in refused.value.message
    assert sessions.connect(dev, endpoint_from_env=True).environment[name] == "http://127.0.0.1:1"
    monkeypatch.setenv(name, "")
    sessions.connect(dev)


def test_a_services_own_endpoint_goes_before_the_general_one(embedded, root, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", embedded.endpoint)
    credentials(monkeypatch, "111111111111")
    assert sessions.connect(settings.load("dev", root), endpoint_from_env=True).account() == "111111111111"


@pytest.mark.parametrize(
    ("region", "partition"), [("ap-southeast-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_the_regions(root, region, partition):
    file = root / "workspaces" / "dev.tfvars"
    file.write_text(file.read_text().replace("ap-southeast-2", region))
    assert sessions.connect(settings.load("dev", root)).partition == partition


def client_error(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "because"}}, "DoIt")


@pytest.mark.parametrize(
    ("error", "sentence", "run"),
    [
        (exceptions.NoCredentialsError(), "There are no usable AWS credentials", "aws sso login"),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="x"),
            "There are no usable AWS credentials",
            "aws sso login",
        ),
        (
            exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
            "There are no usable AWS credentials",
            "aws sso login",
        ),
        (exceptions.UnauthorizedSSOTokenError(), "There are no usable AWS credentials", "aws sso login"),
        (exceptions.ProfileNotFound(profile="x"), "(AWS_PROFILE names it)", "unset AWS_PROFILE"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), "AWS does not answer", "invoke doctor"),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), "AWS does not answer", "invoke doctor"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), "AWS does not answer", "invoke doctor"),
        (client_error("ExpiredToken"), "AWS refuses these credentials (ExpiredToken): because", "aws sso login"),
        (client_error("InvalidClientTokenId"), "AWS refuses these credentials", "aws sso login"),
        (client_error("SignatureDoesNotMatch"), "AWS refuses these credentials", "aws sso login"),
        (client_error("AccessDeniedException"), "These credentials may not do DoIt: because", None),
        (client_error("UnauthorizedOperation"), "These credentials may not do DoIt: because", None),
        (client_error("Odd"), "AWS refused DoIt (Odd): because", None),
        (exceptions.ParamValidationError(report="bad"), "AWS could not be used", None),
    ],
)
def test_an_error_of_boto3_is_a_sentence_and_what_to_do(error, sentence, run):
    failed = sessions.explain(error)
    assert failed.code == 1 and sentence in failed.message
    assert (failed.run or "").startswith(run or "") and bool(failed.run) == bool(run)


def test_no_credentials_at_all_is_a_sentence(root, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(exceptions.NoCredentialsError) as raised:
        sessions.connect(settings.load("dev", root)).require_account()
    assert "no usable AWS credentials" in sessions.explain(raised.value).message


def test_the_code_of_an_error():
    assert sessions.error_code(client_error("Odd")) == "Odd"
    assert sessions.error_code(ValueError("x")) == ""


def test_the_real_provider_reaches_the_embedded_account_through_a_foreign_shell(
    embedded, local, monkeypatch, left_over, terraform_environment, tmp_path
):
    """Go's SDK has switches of its own, so this asks Terraform itself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    environment = {
        **sessions.connect(local).environment,
        "TF_CLI_CONFIG_FILE": terraform_environment.get("TF_CLI_CONFIG_FILE", ""),
    }
    (tmp_path / "tf").mkdir()
    (tmp_path / "tf" / "main.tf").write_text(PROVIDER)

    def terraform(*arguments: str) -> str:
        done = subprocess.run(
            ["terraform", *arguments], cwd=tmp_path / "tf", env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("init", "-input=false")
    terraform("apply", "-input=false", "-auto-approve")
    assert json.loads(terraform("output", "-json"))["account"]["value"] == "000000000000"
    assert Path(tmp_path / "tf" / ".terraform").is_dir()


def test_half_an_answer_is_asked_for_again(embedded, local, monkeypatch):
    with HalfAnsweringAws(embedded.endpoint, refusals=2) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.address)
        assert sessions.connect(local).require_account() == "000000000000"
        assert aws.refused == 2


def test_an_aws_that_never_answers_in_full_is_one_sentence(embedded, local, monkeypatch):
    with HalfAnsweringAws(embedded.endpoint, refusals=1000) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.address)
        with pytest.raises(Exception) as raised:
            sessions.connect(local).require_account()
        assert aws.refused == 5, "Five times in all."
    told = sessions.explain(raised.value)
    assert told.code == 1 and "\n" not in told.message and told.message.startswith("AWS's answer broke off")


def test_an_error_that_is_no_half_answer_is_not_asked_about_again():
    asked = []
    with pytest.raises(exceptions.ClientError):
        sessions.asked_again(lambda: asked.append(1) or raise_(client_error("AccessDenied")))
    assert asked == [1]


def raise_(error: Exception):
    raise error
