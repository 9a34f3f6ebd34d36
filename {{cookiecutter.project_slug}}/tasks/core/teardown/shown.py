"""What a person sees before consenting: what stops a destroy, what keeps data and is lost, what is kept, and the rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from .. import console
from ..console import show
from ..plan import Plan
from ..saved_plan import SavedPlan
from ..session import Session
from ..settings import Settings
from ..state_file import Resource, State
from . import refusals, snapshot
from .kept import Kept
from .refusals import Refusal


@dataclass(frozen=True)
class Shown:
    """``saved`` is None when the state holds nothing any more; ``notes``: address -> what else goes with it, or does not;
    ``serving``: identifier of a database -> an earlier try's snapshot that is taken as its last one."""

    saved: SavedPlan | None
    kept: list[Kept]
    refused: list[Refusal]
    notes: dict[str, str]
    serving: dict[str, str] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        return self.saved.plan if self.saved else Plan()

    def as_dict(self) -> dict:
        return {"plan_file": str(self.saved.file) if self.saved else None, **self.plan.as_dict(),
                "kept": [asdict(each) for each in self.kept], "refused": [asdict(each) for each in self.refused],
                "notes": self.notes}


NOTHING = Shown(None, [], [], {})


def notes(session: Session, state: State, snapshots: bool, serving: dict[str, str]) -> dict[str, str]:
    """What is to be known of what keeps data: how far back its copies reach, and which of them go with it."""
    return {**{each.address: _of_database(each, snapshots, serving) for each in state.of_type("aws_db_instance")},
            **{each.address: _of_file_system(session, each) for each in state.of_type("aws_efs_file_system")}}


def _of_database(resource: Resource, snapshots: bool, serving: dict[str, str]) -> str:
    days, found = resource.attributes.get("backup_retention_period"), []
    if days and resource.attributes.get("delete_automated_backups") is not False:
        found.append(f"its automated backups (any moment of the last {days} days) go with it")
    if snapshots:
        earlier = serving.get(resource.attributes.get("identifier", ""))
        found.append(f"a snapshot of {snapshot.moment(earlier):%H:%M} UTC is there, is taken as the last one, and stays"
                     if earlier else "a snapshot is taken first, and stays")
    return "; ".join(found)


def _of_file_system(session: Session, resource: Resource) -> str:
    try:
        made = refusals.recovery_point(session, resource.attributes["arn"])
    except Exception:  # a remark, not a guard: what may not go without a backup is refused elsewhere
        return "whether AWS Backup has a recovery point is not known"
    return f"its last recovery point is of {made:%Y-%m-%d %H:%M} UTC, and stays" if made else "it has no recovery point"


def table(settings: Settings, shown: Shown) -> None:
    """All of it on stdout: what stops it first, then what keeps data and is lost, what is kept, and the rest."""
    show(f"Workspace {settings.workspace}: account {settings.account}, {settings.region}", "bold")
    why = {each.address: f"{each.name}: {each.why}" for each in shown.kept}
    rows = [("refused", each.what, f"{each.reason} {each.lift}", "bold red") for each in shown.refused]
    for change in shown.plan.most_careful_first():
        if change.address in why:
            rows.append(("kept", change.address, why[change.address], "cyan"))
        elif change.loses_data:
            said = filter(None, ("KEEPS DATA", shown.notes.get(change.address)))
            rows.append(("destroyed", change.address, "; ".join(said), "bold red"))
        else:
            rows.append(("destroyed", change.address, "", "red"))
    rows.sort(key=lambda row: ["bold red", "cyan", "red"].index(row[3]))
    if rows:
        console.table("", ("will be", "resource", "why"), [row[:3] for row in rows], [row[3] for row in rows], last="why")
    show(f"{shown.plan.summary['delete']} destroyed, {shown.plan.summary['forget']} kept.")
