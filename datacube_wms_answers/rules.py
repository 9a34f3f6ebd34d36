"""What each answer must be, and the sentence for the user when it is not.

A rule takes an answer and returns None, or what the answer must be. The limits come from AWS, for names
that begin with the answer: the longest is `<cluster>-<workspace>-<service>`, 28, 16 and 16 characters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

from . import questions

LONGEST_NAME = 28
LONGEST_SHORT_NAME = 16
LOCAL_ACCOUNT = "000000000000"
MOST_NETWORKS = 20

_EVERYWHERE = ipaddress.IPv4Network("0.0.0.0/0")
_S3_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_S3_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

_JINJA = re.compile(r"\{[{%#]")
_ACCOUNT = re.compile(r"[0-9]{12}")
_WORDS = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_REGION = re.compile(r"(?!cn-)[a-z]{2}(-gov)?-(north|south|east|west|central|(north|south)(east|west))-[1-9]")
_EMAIL = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}")
_PART = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{{1,5}})?(/{_PART})+|{_PART}(/{_PART})+")
_GIT_ADDRESS = re.compile(
    r"git::(https://[A-Za-z0-9.-]+(:[0-9]+)?|ssh://([A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+(:[0-9]+)?|file://)"
    r"(/[A-Za-z0-9._~+-]+)+(//[A-Za-z0-9._~+-]+(/[A-Za-z0-9._~+-]+)*)?/?"
    r"(\?ref=[A-Za-z0-9][A-Za-z0-9._/-]*(&depth=[0-9]+)?)?"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def problem(question: str, answers: dict[str, Any]) -> str | None:
    """One sentence for the user about the answer to `question`, or None when it holds."""
    answer = answers[question]
    must_be = (_RULES[question](answer) or _together(question, answers)) if isinstance(answer, str) else "text"
    return f"{question} cannot be {_shown(answer)}: it must be {must_be}." if must_be else None


def project_name(answer: str) -> str | None:
    if 1 <= len(answer) <= 60 and answer.isprintable() and answer == answer.strip() and not _JINJA.search(answer):
        return None
    return "1 to 60 visible characters on one line, without a space at either end and without {{, {% or {#"


def name(answer: str) -> str | None:
    """The slug or the cluster. AWS keeps some first words for itself, each service its own: capacity
    providers, parameters, load balancers, security groups."""
    shaped = 3 <= len(answer) <= LONGEST_NAME and _WORDS.fullmatch(answer)
    taken = answer.startswith(("aws", "ssm", "ecs", "fargate")) or answer.split("-")[0] in ("internal", "sg")
    if shaped and not taken:
        return None
    return (
        f"3 to {LONGEST_NAME} lower-case letters, digits and single hyphens that start with a letter, "
        "but not with aws, ssm, ecs, fargate, internal- or sg-"
    )


def workspace(answer: str) -> str | None:
    """`<slug>-<workspace>-admin` holds the secrets of the administration jobs: no workspace may be called
    so that its own secrets stand there."""
    shaped = len(answer) <= LONGEST_SHORT_NAME and _WORDS.fullmatch(answer)
    taken = answer in ("local", "default", "admin") or answer.endswith("-admin")
    if shaped and not taken:
        return None
    return (
        f"1 to {LONGEST_SHORT_NAME} lower-case letters, digits and single hyphens that start with a letter, "
        "but not local, default or admin, nor end in -admin"
    )


def owner(answer: str) -> str | None:
    """It becomes a tag, and not every service takes every character in a tag."""
    if len(answer) <= 128 and _EMAIL.fullmatch(answer):
        return None
    return "an e-mail address made of letters, digits and . _ + - such as maps@example.com"


def region(answer: str) -> str | None:
    if _REGION.fullmatch(answer):
        return None
    return "an AWS region outside China, such as ap-southeast-2"


def account(answer: str) -> str | None:
    if answer == "" or (_ACCOUNT.fullmatch(answer) and answer != LOCAL_ACCOUNT):
        return None
    return f"the 12 digits of an AWS account, or empty until you know them ({LOCAL_ACCOUNT} is your own machine)"


def bucket(answer: str) -> str | None:
    shaped = _BUCKET.fullmatch(answer) and not re.search(r"\.\.|\.-|-\.", answer)
    address = re.fullmatch(r"[0-9]+(\.[0-9]+){3}", answer)
    taken = answer.startswith(_S3_PREFIXES) or answer.endswith(_S3_SUFFIXES)
    if shaped and not address and not taken:
        return None
    return "empty, or the name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens"


def state_bucket(answer: str) -> str | None:
    return bucket(answer) if answer else None


def image_repository(answer: str) -> str | None:
    if answer == "ecr" or (len(answer) <= 200 and _REPOSITORY.fullmatch(answer)):
        return None
    return "ecr, or an image repository without tag or digest, such as ghcr.io/org/name"


def jumpbox_cidrs(answer: str) -> str | None:
    """None reaches the whole internet, and twenty leave room in a security group, which holds 60 rules."""
    try:
        found = [_network(text.strip(" ")) for text in answer.split(",")] if answer else []
    except ValueError:
        found = [_EVERYWHERE]
    apart = not any(one.overlaps(other) for one, other in combinations(found, 2))
    if len(found) <= MOST_NETWORKS and apart and _EVERYWHERE not in found:
        return None
    return (
        f"empty, or up to {MOST_NETWORKS} IPv4 networks, none larger than a /8 and no two overlapping, "
        "separated by commas, such as 203.0.113.0/24, 198.51.100.7/32"
    )


def module_source(answer: str) -> str | None:
    upwards = any(part in (".", "..") for part in re.split("[/=]", answer))
    if answer == "./modules" or (len(answer) <= 300 and _GIT_ADDRESS.fullmatch(answer) and not upwards):
        return None
    return (
        "./modules, or a git address over https, ssh or file without a password, "
        "such as git::https://host/org/repo.git//modules?ref=v1"
    )


def _network(text: str) -> ipaddress.IPv4Network:
    """Raise ValueError for what is no network in its usual notation, or larger than a /8."""
    network = ipaddress.IPv4Network(text)
    if str(network) != text or network.prefixlen < 8:
        raise ValueError(text)
    return network


def _choice(question: str) -> Callable[[str], str | None]:
    allowed = questions.CHOICES[question]
    return lambda answer: None if answer in allowed else f"one of {', '.join(allowed)}"


def _together(question: str, answers: dict[str, Any]) -> str | None:
    """The rule that looks at several answers: an empty bucket is called after slug, account and region."""
    if question != "state_bucket" or answers["state_bucket"] or not {"project_slug", "region"} <= answers.keys():
        return None
    made = f"{answers['project_slug']}-state-{answers.get('account') or LOCAL_ACCOUNT}-{answers['region']}"
    return f"given, because S3 takes no bucket called {made}" if bucket(made) else None


def _shown(answer: Any) -> str:
    """An answer on one line, cut where it would fill the screen."""
    text = repr(answer)
    return text if len(text) <= 70 else f"{text[:60]}... ({len(text)} characters)"


_RULES: dict[str, Callable[[str], str | None]] = {
    "project_name": project_name,
    "project_slug": name,
    "owner": owner,
    "region": region,
    "cluster": name,
    "workspace": workspace,
    "account": account,
    "state_bucket": state_bucket,
    "image_repository": image_repository,
    "jumpbox_cidrs": jumpbox_cidrs,
    "module_source": module_source,
    **{question: _choice(question) for question in questions.CHOICES},
}
