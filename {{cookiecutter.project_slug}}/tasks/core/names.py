"""The names a project may use, and AWS's limits on what is made of them."""

from __future__ import annotations

import hashlib
import re

from .console import BadInput

WORKSPACE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
WORKSPACE_LENGTH = 16
ACCOUNT = re.compile(r"[0-9]{12}")
SLUG_LENGTH = (3, 28)
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]")
# default is Terraform's own; <project>-<workspace>-admin holds another workspace's master password
RESERVED_WORKSPACE = re.compile(r"default|(.+-)?admin")

LOCAL = "local"
LOCAL_ACCOUNT = "000000000000"


def check_workspace(name: str) -> str:
    """The name itself. Raises BadInput: Terraform and AWS names are made of it, and so is a file name."""
    shaped = WORKSPACE.fullmatch(name) and len(name) <= WORKSPACE_LENGTH
    if not shaped or RESERVED_WORKSPACE.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a workspace: use up to {WORKSPACE_LENGTH} lower-case letters, digits and single hyphens, "
            "beginning with a letter, for example prod; not default, nor admin at the end."
        )
    return name


def check_slug(name: str) -> str:
    """The name itself. Raises BadInput: a project's slug and its cluster's name are the beginning of AWS names."""
    least, most = SLUG_LENGTH
    if not WORKSPACE.fullmatch(name) or not least <= len(name) <= most:
        raise BadInput(f"{name!r} cannot begin AWS names: use {least} to {most} lower-case letters, digits and single "
                       "hyphens, beginning with a letter, for example datacube-wms.")
    return name


def check_account(account: str) -> str:
    """The account id itself. Raises BadInput unless it has 12 digits."""
    if not ACCOUNT.fullmatch(account):
        raise BadInput(f"{account!r} is not an AWS account id: 12 digits, for example 123456789012.")
    return account


def check_real_account(account: str) -> str:
    """The account id itself. Raises BadInput unless it can be an account on AWS: the embedded one cannot."""
    if check_account(account) == LOCAL_ACCOUNT:
        raise BadInput(f"{LOCAL_ACCOUNT} is the embedded AWS on this machine; only the workspace local uses it.")
    return account


def check_region(region: str) -> str:
    """The region itself. Raises BadInput unless it has a region's shape."""
    if not REGION.fullmatch(region):
        raise BadInput(f"{region!r} is not an AWS region, for example ap-southeast-2.")
    return region


def within(limit: int, name: str) -> str:
    """The name, shortened as the Terraform modules shorten it when AWS's limit is passed."""
    if len(name) <= limit:
        return name
    return f"{name[:24]}-{hashlib.sha1(name.encode()).hexdigest()[:7]}"
