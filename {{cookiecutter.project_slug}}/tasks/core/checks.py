"""What the tasks need to be there, looked at one by one. A check answers; it never changes anything."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from . import images, initialise, keys, live_services, machine_image, references, registry, state_bucket, terraform
from .console import Failed, TaskError
from .session import Session, error_code, explain

SERVICE_LINKED_ROLES = {
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForAutoScaling": "autoscaling.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
    "AWSServiceRoleForRDS": "rds.amazonaws.com",
}
OLD_AMI_DAYS = 90


class Verdict(Enum):
    """What a person reads."""

    OK = "ok"
    WARNING = "look at this"
    FAILED = "failed"
    SKIPPED = "not looked at"


@dataclass(frozen=True)
class Check:
    """One line of the doctor: what was looked at, what was found, and the command that mends it."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""


def tools(root: Path) -> Iterator[Check]:
    """What must be installed on this machine."""
    yield _ask("Terraform", lambda: (Verdict.OK, terraform.version(), ""))
    yield _docker()
    yield _packages(root)


def account(session: Session) -> Iterator[Check]:
    """What must be in the account. Ends early when the account cannot be reached or is another one."""
    settings = session.settings
    guard = _ask("account", lambda: (Verdict.OK, f"{session.require_account()}, {settings.region}", ""))
    yield guard
    if guard.verdict is not Verdict.OK:
        return
    bootstrap = settings.command("bootstrap")
    yield _ask("state bucket", lambda: (
        (Verdict.OK, settings.state_bucket, "") if state_bucket.exists(session)
        else (Verdict.FAILED, f"{settings.state_bucket} is not there", bootstrap)))
    yield _ask("state lock", lambda: _lock(session))
    yield _ask("images", lambda: _images(session))
    yield _ask("KMS key", lambda: _key(session, bootstrap))
    yield _ask("machine image", lambda: _machine_image(session, bootstrap))
    if registry.is_ecr(settings):
        yield _ask("image repository", lambda: _repository(session, bootstrap))
        if not settings.is_local:
            yield _ask("images that run", lambda: _images_that_run(session))
    if settings.variables.get("key_name"):
        yield _ask("key pair", lambda: _key_pair(session))
    if settings.is_local:
        yield Check("quotas and service-linked roles", Verdict.SKIPPED, "the embedded AWS has none")
        return
    for role, service in SERVICE_LINKED_ROLES.items():
        yield _ask(role, lambda role=role, service=service: _role(session, role, service))
    yield from _quotas(session)


def _ask(name: str, look: Callable[[], tuple[Verdict, str, str]]) -> Check:
    """A check's line, whatever happens: what fails says so in its own line and the others go on."""
    try:
        return Check(name, *look())
    except TaskError as error:
        return Check(name, Verdict.FAILED, error.message, error.run or "")
    except Exception as error:
        if not type(error).__module__.startswith("botocore"):
            raise
        said = explain(error)
        return Check(name, Verdict.FAILED, said.message, said.run or "")


def _docker() -> Check:
    """Wanted for building images only: planning and deploying a pinned image need none."""
    try:
        return Check("Docker", Verdict.OK, images.engine_version())
    except Failed as error:
        return Check("Docker", Verdict.WARNING, error.message, error.run or "")


def _packages(root: Path) -> Check:
    """The Python packages of requirements.txt, at the versions that it pins."""
    wrong = []
    for name, wanted in re.findall(r"^([\w.-]+)==(\S+)", (root / "requirements.txt").read_text(), re.MULTILINE):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} {found}, not {wanted}")
    if wrong:
        return Check("Python packages", Verdict.FAILED, "; ".join(wrong), "pip install -r requirements.txt")
    return Check("Python packages", Verdict.OK, "as requirements.txt pins them")


def _lock(session: Session):
    age = state_bucket.object_age(session, initialise.state_object(session.settings) + ".tflock")
    if age is None:
        return Verdict.OK, "free", ""
    held = f"held for {int(age.total_seconds() // 60)} minutes"
    return Verdict.WARNING, held, session.settings.command("state.unlock") + "  (shows who holds it)"


def _images(session: Session):
    session.settings.require_images()
    return Verdict.OK, "one for each service", ""


def _images_that_run(session: Session):
    """ECR keeps a number of images, and one that runs may be old: a task that starts elsewhere could not pull it.

    Only the project's own repository is asked: what keeps an image in another one is not known here.
    """
    running = [references.read(image) for image in live_services.images(session).values()]
    own = registry.repository(session.settings)
    elsewhere = sorted({each.repository for each in running if each.repository != own})
    beside = [f"not checked: {', '.join(elsewhere)}"] if elsewhere else []
    digests = {each.digest for each in running if each.repository == own and each.digest}
    if elsewhere and not digests:
        return Verdict.SKIPPED, *beside, ""
    found = registry.expiring(session, digests) if registry.exists(session) else []
    if not found:
        return Verdict.OK, "; ".join(["all in the repository, and none about to go", *beside]), ""
    said = "; ".join([*(f"{each.digest[:19]}… {_fate(each)}" for each in found), *beside])
    return Verdict.FAILED if any(each.gone for each in found) else Verdict.WARNING, said, session.settings.command("deploy")


def _fate(image: registry.Expiring) -> str:
    return "is gone" if image.gone else f"goes after {registry.IMAGES_KEPT - image.newer} more pushes"


def _key(session: Session, bootstrap: str):
    key = keys.find(session)
    if key is None:
        return Verdict.FAILED, f"{session.settings.key_alias} is not there", bootstrap
    key.require_usable(session.settings.command("kms.rescue"))
    return Verdict.OK, f"{key.alias} ({key.id})", ""


def _machine_image(session: Session, bootstrap: str):
    pinned = session.settings.variables.get("aws_ami")
    if not pinned:
        return Verdict.FAILED, "none is pinned", bootstrap
    age = machine_image.age_in_days(session, pinned)
    newest = machine_image.recommended(session)
    newer = f'set aws_ami = "{newest}" in {session.settings.tfvars.name}'
    if age is None and not session.settings.is_local:
        return Verdict.WARNING, f"{pinned} is unknown in this region", newer
    if age and age > OLD_AMI_DAYS and newest != pinned:
        return Verdict.WARNING, f"{pinned} is {age} days old", newer
    return Verdict.OK, pinned, ""


def _repository(session: Session, bootstrap: str):
    if registry.exists(session):
        return Verdict.OK, registry.repository(session.settings), ""
    return Verdict.FAILED, f"ECR has no repository {session.settings.project.slug}", bootstrap


def _key_pair(session: Session):
    name = session.settings.variables["key_name"]
    try:
        session.client("ec2").describe_key_pairs(KeyNames=[name])
    except Exception as error:
        if error_code(error) != "InvalidKeyPair.NotFound":
            raise
        return Verdict.FAILED, f"there is no key pair {name}", f"aws ec2 create-key-pair --key-name {name}"
    return Verdict.OK, name, ""


def _role(session: Session, role: str, service: str):
    try:
        session.client("iam").get_role(RoleName=role)
    except Exception as error:
        if error_code(error) != "NoSuchEntity":
            raise
        return (Verdict.WARNING, "not there yet; the first deployment may race its creation",
                f"aws iam create-service-linked-role --aws-service-name {service}")
    return Verdict.OK, "there", ""


def _quotas(session: Session) -> Iterator[Check]:
    """Those that a new account meets first: networks, and the addresses of NAT gateways and the jumpbox."""
    variables = session.settings.variables
    addresses = (int(variables["zones"]) if variables["nat"] == "per_zone" else 1) + bool(variables["jumpbox_cidrs"])
    ec2 = session.client("ec2")
    yield _ask("quota: VPCs", lambda: _room(
        session, "vpc", "L-F678F1CE", lambda: _count(ec2, "describe_vpcs", "Vpcs"), 1))
    yield _ask("quota: elastic IPs", lambda: _room(
        session, "ec2", "L-0263D0A3", lambda: len(ec2.describe_addresses()["Addresses"]), addresses))


def _count(client, operation: str, member: str) -> int:
    return sum(len(page[member]) for page in client.get_paginator(operation).paginate())


def _room(session: Session, service: str, code: str, used: Callable[[], int], needed: int):
    limit = int(session.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    found = used()
    deployed = state_bucket.object_age(session, initialise.state_object(session.settings)) is not None
    said = f"{found} of {limit} used"
    if not deployed and found + needed > limit:
        ask = f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code}"
        return Verdict.FAILED, f"{said}, {needed} more needed", f"{ask} --desired-value {found + needed}"
    return Verdict.OK, said, ""
