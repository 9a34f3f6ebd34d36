"""What a plan says, read from Terraform's event stream (``plan -json``): classified, summed up, refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from .console import Refused

# What keeps data: never replaced or deleted by the way.
STATEFUL = frozenset({
    "aws_db_instance",
    "aws_efs_file_system",
    "aws_kms_key",
    "aws_kms_alias",
    "aws_s3_bucket",
    "aws_ecr_repository",
    "aws_cloudwatch_log_group",
})  # fmt: skip

ACTIONS = ("create", "update", "replace", "delete", "import", "forget", "move")
TERRAFORMS_WORDS = {"remove": "forget"}  # the stream's words that differ from ours

REASONS = {
    "tainted": "its creation was interrupted",
    "requested": "asked for",
    "cannot_update": "cannot be changed in place",
    "replace_triggered_by": "follows what it is made from",
    "delete_because_no_resource_config": "no longer in the configuration",
    "delete_because_no_module": "its module is gone",
    "delete_because_each_key": "its key is gone",
    "delete_because_count_index": "its index is gone",
    "delete_because_wrong_repetition": "it has no key or index any more, or has one now",
    "delete_because_no_move_target": "what it was moved to is not there",
}


@dataclass(frozen=True)
class Change:
    """What the plan does with one resource. ``action`` is one of ACTIONS."""

    address: str
    type: str
    action: str
    stateful: bool
    reason: str | None = None
    imported: str | None = None
    previous_address: str | None = None

    @property
    def loses_data(self) -> bool:
        return self.stateful and self.action in ("replace", "delete")

    @property
    def tainted(self) -> bool:
        return self.action == "replace" and self.reason == REASONS["tainted"]

    @property
    def steps(self) -> int:
        """How many apply events of Terraform this change ends with."""
        return {"replace": 2, "create": 1, "update": 1, "delete": 1}.get(self.action, 0)


@dataclass(frozen=True)
class Plan:
    """changes  in the stream's order;  outputs  how many outputs change."""

    changes: tuple[Change, ...] = ()
    outputs: int = 0

    @property
    def summary(self) -> dict[str, int]:
        """How many of each action; an import that also changes something counts as both."""
        counted = Counter(change.action for change in self.changes)
        counted["import"] += sum(change.imported is not None and change.action != "import" for change in self.changes)
        return {**{action: counted[action] for action in ACTIONS}, "output": self.outputs}

    @property
    def empty(self) -> bool:
        return not self.changes and not self.outputs

    @property
    def steps(self) -> int:
        return sum(change.steps for change in self.changes)

    def most_careful_first(self) -> list[Change]:
        """What loses data, then what goes or is replaced, then the rest; by address."""
        weight = {"delete": 1, "replace": 2, "forget": 3, "update": 4, "create": 5, "import": 6, "move": 7}
        return sorted(self.changes, key=lambda change: (not change.loses_data, weight[change.action], change.address))

    def tainted_data(self) -> list[Change]:
        """What keeps data and would be replaced only because its creation was interrupted."""
        return [change for change in self.changes if change.stateful and change.tainted]

    def require_data_kept(self, allowed: Iterable[str] = (), run: str | None = None) -> None:
        """Raise Refused (3) when what keeps data would be replaced or deleted, unless its address is allowed."""
        lost = [change for change in self.changes if change.loses_data and change.address not in set(allowed)]
        if lost:
            listed = ", ".join(f"{change.address} ({change.action})" for change in lost)
            raise Refused(
                f"This plan would lose what keeps data: {listed}. If that is what you want, name each.",
                run=run and " ".join([run, *(f"--allow-replace '{change.address}'" for change in lost)]),
            )

    def require_adopted_kept(self) -> None:
        """Raise Refused (3) when something that is taken into the state would be replaced at once."""
        lost = [change.address for change in self.changes if change.imported and change.action == "replace"]
        if lost:
            raise Refused(f"This plan would replace what it adopts: {', '.join(lost)}. It is not as the configuration "
                          "says; change one of the two.")

    def require_nothing_lost(self) -> None:
        """Raise Refused (3) when anything at all would be replaced or deleted, but for what the adopted replaces."""
        adopted = {change.address for change in self.changes if change.imported}
        lost = [f"{change.address} ({change.action})" for change in self.changes
                if change.action == "replace" or change.action == "delete" and change.address not in adopted]
        if lost:
            raise Refused(f"This plan would not only adopt: {', '.join(lost)}. Nothing was changed.")

    def require_nothing_changed(self) -> None:
        """Raise Refused (3) when anything would be done but adopting."""
        other = [f"{change.address} ({change.action})" for change in self.changes if change.action != "import"]
        if other:
            raise Refused(f"This plan would not only adopt: {', '.join(other)}. Nothing was changed.")

    def as_dict(self) -> dict:
        return {"summary": self.summary, "changes": [asdict(change) for change in self.most_careful_first()]}


def read(events: Iterable[dict]) -> Plan:
    """The plan that a ``plan -json`` stream tells of. ``resource_drift`` is not a change of the plan."""
    changes, outputs = [], 0
    for event in events:
        kind = event.get("type")
        if kind == "planned_change":
            changes.append(_change(event["change"]))
        elif kind == "outputs":
            outputs = sum(output.get("action", "noop") != "noop" for output in event["outputs"].values())
    return Plan(tuple(change for change in changes if change.action in ACTIONS), outputs)


def from_dict(content: dict) -> Plan:
    """A plan as ``as_dict`` wrote it."""
    return Plan(tuple(Change(**change) for change in content["changes"]), content["summary"]["output"])


def _change(change: dict) -> Change:
    resource, action = change["resource"], change["action"]
    reason = change.get("reason")
    previous = change.get("previous_resource")
    return Change(
        address=resource["addr"],
        type=resource["resource_type"],
        action=TERRAFORMS_WORDS.get(action, action),
        stateful=resource["resource_type"] in STATEFUL,
        reason=REASONS.get(reason, reason),
        imported=(change.get("importing") or {}).get("id"),
        previous_address=previous and previous["addr"],
    )
