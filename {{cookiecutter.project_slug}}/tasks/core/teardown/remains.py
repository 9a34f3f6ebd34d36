"""What is still in the account when a workspace is gone, and about what it costs a month.

Prices are AWS's list prices for us-east-1 in USD, as of June 2026; other regions differ by some percent, and a free tier
is left out of account. https://aws.amazon.com/kms/pricing/ …/rds/postgresql/pricing/ …/cloudwatch/pricing/ …/s3/pricing/
…/ecr/pricing/ …/backup/pricing/ …/systems-manager/pricing/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .. import keys, parameter_store, registry, state_bucket
from ..session import Session, error_code
from ..state_file import State
from . import bootstrapped, exports, kept

KEY = 1.0  # each month
SNAPSHOT = 0.095  # each GiB and month, and so on
LOGS = 0.03
STATE = 0.023
IMAGES = 0.10
RECOVERY_POINT = 0.05
ADVANCED_PARAMETER = 0.05  # each month; standard ones cost nothing
GIB = 2**30


@dataclass(frozen=True)
class Remaining:
    """One thing that stays. ``usd`` is for a month, None where that cannot be known; ``why`` says what else is to know."""

    kind: str
    name: str
    usd: float | None
    why: str = ""


def find(session: Session, state: State) -> list[Remaining]:
    """What remains of a workspace whose state was this one. A kind that cannot be looked at is told as such, and why."""
    found: list[Remaining] = []
    for kind, look in KINDS.items():
        try:
            found += look(session, state)
        except Exception as error:  # all is done by now: a report must not turn that into a failure
            may_not = error_code(error) in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
            why = "these credentials may not look" if may_not else f"it could not be asked: {' '.join(str(error).split())}"
            found.append(Remaining(kind, "not known", None, why))
    return found


def total(found: Iterable[Remaining]) -> float:
    return sum(each.usd or 0 for each in found)


def price(usd: float | None) -> str:
    """As a person reads it: a few bytes cost nothing worth a number."""
    if usd is None:
        return "not known"
    return "0" if not usd else "below 0.01" if usd < 0.01 else f"{usd:.2f}"


def _key(session: Session, state: State) -> Iterator[Remaining]:
    key = keys.find(session)
    if key is None:
        return
    users = parameter_store.services(session, keys.names_of(session, key))
    why = f"encrypts the secrets of {', '.join(users)}" if users else "encrypts nobody's secrets"
    yield Remaining("KMS key", f"{key.alias} ({key.id})", 0.0 if key.dies_at else KEY, f"{key.state.value}; {why}")


def _snapshots(session: Session, state: State) -> Iterator[Remaining]:
    identifiers = {session.settings.database, *(each.attributes["identifier"] for each in state.of_type("aws_db_instance"))}
    for identifier in sorted(identifiers):
        pages = session.client("rds").get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier=identifier)
        for each in (each for page in pages for each in page["DBSnapshots"]):
            yield Remaining("database snapshot", each["DBSnapshotIdentifier"], each["AllocatedStorage"] * SNAPSHOT,
                            "at most: what is not in use is not billed")


def _recovery_points(session: Session, state: State) -> Iterator[Remaining]:
    for resource in state.of_type("aws_efs_file_system"):
        pages = session.client("backup").get_paginator("list_recovery_points_by_resource").paginate(
            ResourceArn=resource.attributes["arn"])
        sizes = [each.get("BackupSizeBytes") or 0 for page in pages for each in page["RecoveryPoints"]]
        if sizes:
            yield Remaining("file system backups", f"{len(sizes)} of {resource.attributes['id']}",
                            sum(sizes) / GIB * RECOVERY_POINT, "they expire by themselves")


def _log_groups(session: Session, state: State) -> Iterator[Remaining]:
    logs = session.client("logs")
    for name in sorted({each.attributes["name"] for each in state.of_type("aws_cloudwatch_log_group")}):
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        for group in (group for page in pages for group in page["logGroups"] if group["logGroupName"] == name):
            yield Remaining("log group", name, group.get("storedBytes", 0) / GIB * LOGS,
                            kept.emptied(group.get("retentionInDays")))


def _secrets(session: Session, state: State) -> Iterator[Remaining]:
    for service in exports.services(session):
        filters = [{"Key": "Path", "Option": "OneLevel", "Values": [f"/{service}"]}]
        pages = session.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters)
        tiers = [each.get("Tier") for page in pages for each in page["Parameters"]]
        if tiers:
            yield Remaining("secrets", f"{len(tiers)} of {service}", tiers.count("Advanced") * ADVANCED_PARAMETER,
                            session.settings.command("chamber.list", service))


def _state_bucket(session: Session, state: State) -> Iterator[Remaining]:
    if not state_bucket.exists(session):
        return
    sizes = [each["Size"] for each in bootstrapped.versions(session) if "Size" in each]
    yield Remaining("state bucket", session.settings.state_bucket, sum(sizes) / GIB * STATE,
                    f"{len(sizes)} versions; {session.settings.command('bootstrap.remove')}")


def _images(session: Session, state: State) -> Iterator[Remaining]:
    if not registry.is_ecr(session.settings) or not registry.exists(session):
        return
    sizes = bootstrapped.image_sizes(session)
    yield Remaining("image repository", session.settings.project.slug, sum(sizes) / GIB * IMAGES,
                    f"{len(sizes)} images; at most: layers that they share are billed once")


KINDS: dict[str, Callable[[Session, State], Iterator[Remaining]]] = {
    "KMS key": _key,
    "database snapshot": _snapshots,
    "file system backups": _recovery_points,
    "log group": _log_groups,
    "secrets": _secrets,
    "state bucket": _state_bucket,
    "image repository": _images,
}
