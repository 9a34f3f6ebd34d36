"""A snapshot of each database, taken and waited for before anything is deleted.

AWS takes a final one, too, at the deletion itself, when the workspace wants it. This one comes first: were it to fail,
nothing is gone yet. Both are increments of the same backups, so the second costs next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

from ..console import Failed, TookTooLong
from ..database import status
from ..session import Session, error_code
from ..state_file import State
from . import command

LIMIT = 6 * 60 * 60  # seconds; the first snapshot of a large database copies all of it
POLL = 5
READY = ("available", "storage-optimization")  # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html

Say = Callable[[str], None]


def due(session: Session, state: State) -> list[str]:
    """The identifiers of the databases that are there and not on their way already."""
    found = [each.attributes["identifier"] for each in state.of_type("aws_db_instance")]
    return [identifier for identifier in found if status(session, identifier) not in (None, "deleting")]


def name(identifier: str, moment: datetime) -> str:
    """<identifier>-YYYYMMDDthhmmssz: snapshots outlive their database, so the next destroy needs another name."""
    return f"{identifier}-{moment.astimezone(timezone.utc):%Y%m%dt%H%M%Sz}"


def take(session: Session, identifier: str, say: Say, limit: float = LIMIT, poll: float = POLL) -> str:
    """Take a snapshot and wait until it can be restored from; answers its name.

    Raises Failed when AWS could not make it, TookTooLong (6) when it is not done in time; it goes on being made then.
    """
    rds, settings = session.client("rds"), session.settings
    deadline, said = time.monotonic() + limit, None
    while (now := status(session, identifier)) not in READY:
        if time.monotonic() > deadline:
            raise TookTooLong(f"The database {identifier} is still {now}; there is no snapshot, and nothing was destroyed.",
                              run=command(settings))
        if now != said:
            say(f"Waiting for the database {identifier}: {now}…")
            said = now
        time.sleep(poll)
    wanted = name(identifier, datetime.now(timezone.utc))
    rds.create_db_snapshot(DBInstanceIdentifier=identifier, DBSnapshotIdentifier=wanted, Tags=[
        {"Key": "Project", "Value": settings.project.slug}, {"Key": "Workspace", "Value": settings.workspace}])
    said = None
    while (found := _described(session, wanted)) is None or found["Status"] != "available":
        if found is not None and found["Status"] == "failed":
            raise Failed(f"AWS could not make the snapshot {wanted}. Nothing was destroyed.", run=command(settings))
        if time.monotonic() > deadline:
            raise TookTooLong(f"The snapshot {wanted} is not done after {limit / 60:.0f} minutes; AWS goes on with it. "
                              "Nothing was destroyed.", run=command(settings))
        percent = found.get("PercentProgress", 0) if found else 0
        if percent != said:
            say(f"Waiting for the snapshot {wanted}: {percent} %…")
            said = percent
        time.sleep(poll)
    say(f"Made: the snapshot {wanted}")
    return wanted


def _described(session: Session, wanted: str) -> dict | None:
    """None for a moment after it was asked for: AWS does not know it everywhere at once."""
    try:
        return session.client("rds").describe_db_snapshots(DBSnapshotIdentifier=wanted)["DBSnapshots"][0]
    except Exception as error:
        if error_code(error) == "DBSnapshotNotFound":
            return None
        raise
