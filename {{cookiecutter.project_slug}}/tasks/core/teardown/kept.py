"""What a destroy keeps: it is forgotten by the state and stays in the account. Everything else of the state is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import log_adoption
from ..console import Refused
from ..plan import Change, Plan
from ..session import Session
from ..state_file import Resource, State

LOG_GROUP = "aws_cloudwatch_log_group"
KEY = {
    "aws_kms_key": "other projects' secrets are encrypted with it, too",
    "aws_kms_alias": "leads every project of the account to the key",
}


@dataclass(frozen=True)
class Kept:
    """One object that stays. ``name`` is AWS's own, ``why`` a phrase."""

    address: str
    type: str
    name: str
    why: str


def choose(session: Session, state: State, delete_logs: bool) -> list[Kept]:
    """What of a state stays in the account: the key and its alias always, log groups unless they may go.

    A log group may go when that was asked for and nobody else's state holds it. Terraform forgets a resource with all
    its instances or not at all, so what must stay keeps the other instances of its block.
    """
    logs = state.of_type(LOG_GROUP)
    going = {each.address for each in log_adoption.ours_alone(session, logs)} if delete_logs else set()
    staying = {each.configured_as for each in logs if each.address not in going}
    return [
        Kept(each.address, each.type, each.attributes.get("name") or each.attributes["id"],
             _why(each, delete_logs, going))
        for each in state.resources
        if each.type in KEY or (each.type == LOG_GROUP and each.configured_as in staying)
    ]


def _why(resource: Resource, delete_logs: bool, going: set[str]) -> str:
    if resource.type in KEY:
        return KEY[resource.type]
    if resource.address in going:
        return "stays with another instance of its block, which somebody else uses"
    if delete_logs:
        return "may be somebody else's, too: by its tags, its name, or a state that holds it or cannot be read"
    return f"{emptied(resource.attributes.get('retention_in_days'))}; --delete-logs deletes it"


def emptied(days: int | None) -> str:
    """What a log group's retention means once nothing writes to it any more."""
    return f"empties itself within {days} day{'' if days == 1 else 's'}" if days else "never empties itself"


def configured(kept: Iterable[Kept], state: State) -> set[str]:
    """The addresses without instance keys, as ``removed`` blocks name them."""
    addresses = {each.address for each in kept}
    return {each.configured_as for each in state.resources if each.address in addresses}


def require_as_chosen(plan: Plan, kept: Iterable[Kept]) -> None:
    """Raise Refused (3) when a teardown's plan does anything but delete and forget, or deletes what is to stay."""
    staying = {each.address for each in kept}
    wrong = [change for change in plan.changes
             if change.action not in ("delete", "forget")
             or (change.action == "delete" and (change.type in KEY or change.address in staying))]
    if wrong:
        raise Refused(f"The plan is not what was asked for: {', '.join(map(_said, wrong))}. Nothing was changed. This is a "
                      "defect of the tasks, not of the workspace: please report it with this line.")


def _said(change: Change) -> str:
    return f"{change.address} ({change.action})"
