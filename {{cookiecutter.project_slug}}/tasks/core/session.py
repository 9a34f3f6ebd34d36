"""AWS, as one workspace sees it: credentials, endpoint, clients, and the guard that it is the right account.

The only module that imports boto3.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import embedded_aws, names
from .console import Failed, Refused, TaskError
from .settings import Settings

# What a caller's shell may hold for another account or network; in `local` none of it may leak in. Every AWS_ variable:
# beside profiles and tokens also switches such as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, which would lead Terraform to AWS.
FOREIGN = re.compile(r"AWS_.*|(http|https|all)_proxy", re.IGNORECASE)

QUESTIONS = ("Describe", "Get", "Head", "List", "Filter")
PAUSES = (0.5, 1, 2, 4)  # seconds before a question is asked again
BROKE_OFF = ("ResponseParserError", "IncompleteReadError", "ResponseStreamingError")  # botocore's, of half an answer

SIGN_IN = "aws sso login, or aws-vault exec PROFILE -- invoke …"


@dataclass(frozen=True)
class Session:
    """How to reach one workspace's account.

    settings     the workspace
    environment  the process environment that Terraform and boto3 both use; it holds credentials only if the caller's did
    endpoint     the embedded AWS's address; None outside ``local``
    """

    settings: Settings
    environment: dict[str, str]
    endpoint: str | None

    def client(self, service: str, region: str | None = None):
        """A boto3 client of the workspace's account, in its region unless told."""
        return _asking_again(_boto3_session(self).client(
            service, region_name=region or self.settings.region, endpoint_url=self.endpoint,
            config=_config(self.settings.is_local),
        ))

    @property
    def partition(self) -> str:
        """aws, aws-cn or aws-us-gov: the second part of every ARN."""
        region = self.settings.region
        return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"

    def require_account(self) -> str:
        """The account's id, after comparing it with the workspace's. Raises Refused (3) with both numbers."""
        self.settings.require_account()
        found = self.account()
        if found != self.settings.account:
            raise Refused(
                f"These credentials are of account {found}, but workspace {self.settings.workspace} is account "
                f"{self.settings.account}. Nothing was changed.",
                run=SIGN_IN,
            )
        return found

    def account(self) -> str:
        """The account that the credentials belong to. Raises Failed when there are none or AWS refuses them."""
        return self.client("sts").get_caller_identity()["Account"]


def connect(settings: Settings, endpoint_from_env: bool = False) -> Session:
    """How to reach the workspace. Raises Refused (3): no embedded AWS runs, or an endpoint is set where none may be."""
    return _embedded(settings) if settings.is_local else _amazon(settings, endpoint_from_env)


def _embedded(settings: Settings) -> Session:
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or embedded_aws.status(settings.root).endpoint
    if not endpoint:
        raise Refused("The embedded AWS is not running.", run="invoke local.up")
    environment = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    environment.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID=names.LOCAL_ACCOUNT,  # MiniStack takes a 12-digit access key as the account
        AWS_SECRET_ACCESS_KEY="local",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="*",
    )
    return Session(settings, _with_region(environment, settings.region), endpoint)


def _amazon(settings: Settings, endpoint_from_env: bool) -> Session:
    named = sorted(name for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    if named and not endpoint_from_env:
        raise Refused(
            f"{named[0]} is set, so workspace {settings.workspace} would not reach AWS. Unset it, or say "
            "--endpoint-from-env if that is what you want.",
            run=f"unset {' '.join(named)}",
        )
    # no endpoint here: boto3 and Terraform both read the variables, a service's own one before the general one
    return Session(settings, _with_region(dict(os.environ), settings.region), None)


def _with_region(environment: dict[str, str], region: str) -> dict[str, str]:
    # boto3 reads only the second, chamber and the Go SDK prefer the first
    return {**environment, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def _boto3_session(session: Session):
    return _made(session.settings.is_local, session.settings.region)


@functools.lru_cache(maxsize=4)
def _made(local: bool, region: str):
    import boto3

    if not local:
        return boto3.Session(region_name=region)
    from botocore.session import Session as Botocore

    # a profile or a configuration file of the caller must not even be looked at
    blind = Botocore(session_vars={
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    })
    return boto3.Session(names.LOCAL_ACCOUNT, "local", region_name=region, botocore_session=blind)


def _asking_again(client):
    """The client, with one more patience than boto3 has: a question whose answer broke off in the middle is asked again.

    Only questions are: whether a change was made, half an answer does not say.
    """
    call = client._make_api_call

    def patient(operation: str, arguments: dict):
        if operation.startswith(QUESTIONS):
            return asked_again(lambda: call(operation, arguments))
        return call(operation, arguments)

    client._make_api_call = patient
    return client


def asked_again(ask: Callable[[], Any]) -> Any:
    """What a question answers; it is asked again, a few times, where the answer broke off in the middle."""
    for pause in PAUSES:
        try:
            return ask()
        except Exception as error:
            if type(error).__name__ not in BROKE_OFF:
                raise
            time.sleep(pause)
    return ask()


def client_of_environment(service: str, region: str, hasty: bool = False):
    """A boto3 client for a process that was started with a session's ``environment``. ``hasty``: better not than slowly."""
    import boto3
    from botocore.config import Config

    patience = {"retries": {"total_max_attempts": 1}, "connect_timeout": 3, "read_timeout": 5} if hasty else {
        "retries": {"mode": "standard", "max_attempts": 5}, "connect_timeout": 10, "read_timeout": 60}
    return boto3.Session(region_name=region).client(service, config=Config(**patience))


def _config(local: bool):
    from botocore.config import Config

    proxies = {} if local else None  # None: those of the caller
    return Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60, proxies=proxies)


def explain(error: Exception) -> TaskError:
    """An error of boto3 as one sentence (exit code 1) that says what to do."""
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "SSOTokenLoadError",
                "UnauthorizedSSOTokenError", "CredentialRetrievalError"):
        return Failed(f"There are no usable AWS credentials: {error}", run=SIGN_IN)
    if kind == "ProfileNotFound":
        return Failed(f"{error} (AWS_PROFILE names it).", run="unset AWS_PROFILE")
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"):
        return Failed(f"AWS does not answer: {error}", run="invoke doctor")
    if kind in BROKE_OFF:  # its own text holds the answer, and that may hold a secret
        return Failed("AWS's answer broke off in the middle, again and again.", run="invoke doctor")
    response = getattr(error, "response", None)
    if response:
        code = response.get("Error", {}).get("Code", "")
        message = response.get("Error", {}).get("Message", "")
        action = getattr(error, "operation_name", "a call")
        if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
                    "AuthFailure", "SignatureDoesNotMatch"):
            return Failed(f"AWS refuses these credentials ({code}): {message}", run=SIGN_IN)
        if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"):
            return Failed(f"These credentials may not do {action}: {message}")
        return Failed(f"AWS refused {action} ({code}): {message}")
    return Failed(f"AWS could not be used: {error}")


def error_code(error: Exception) -> str:
    """The code of a ClientError, empty for any other error."""
    return (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
