"""A snapshot of each database, taken and waited for before anything is deleted.

AWS takes a final one, too, at the deletion itself, when the workspace wants it. This one comes first: were it to fail,
nothing is gone yet. Both are increments of the same backups, so the second costs next to nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from ..console import Failed, TookTooLong
from ..database import resource_id, status
from ..session import Session, error_code
from ..state_file import State

LIMIT = 6 * 60 * 60  # seconds; the first snapshot of a large database copies all of it
POLL = 5
RECENT = timedelta(hours=1)  # an earlier try's snapshot serves for so long, as a person was told before consenting
TEARDOWN = "Teardown"  # the tag that says of which state a teardown took it
READY = ("available", "storage-optimization")  # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html: of these none ends by itself
HOPELESS = re.compile(r"incompatible-.*|inaccessible-.*|failed|restore-error|insufficient-capacity|stopp(ed|ing)|deleting")
STAMP = "%Y%m%dt%H%M%Sz"

Say = Callable[[str], None]


def due(session: Session, state: State) -> list[str]:
    """The identifiers of the databases that are there and not on their way already."""
    found = [each.attributes["identifier"] for each in state.of_type("aws_db_instance")]
    return [identifier for identifier in found if status(session, identifier) not in (None, "deleting")]


def name(identifier: str, moment: datetime) -> str:
    """<identifier>-YYYYMMDDthhmmssz: snapshots outlive their database, so the next destroy needs another name."""
    return f"{identifier}-{moment.astimezone(timezone.utc).strftime(STAMP)}"


def moment(name: str) -> datetime:
    """When a snapshot of such a name was begun."""
    return datetime.strptime(name.rpartition("-")[2], STAMP).replace(tzinfo=timezone.utc)


def earlier(session: Session, state: State) -> dict[str, str]:
    """identifier -> the snapshot that an earlier try of this very teardown has begun within the last hour, if there is one.

    Not of a database that goes without a final snapshot: nothing that was written since would be in any.
    """
    final = [each.attributes["identifier"] for each in state.of_type("aws_db_instance")
             if each.attributes.get("final_snapshot_identifier") and not each.attributes.get("skip_final_snapshot")]
    found = {identifier: _earlier(session, state, identifier) for identifier in due(session, state) if identifier in final}
    return {identifier: made for identifier, made in found.items() if made}


def take(session: Session, state: State, identifier: str, say: Say, serving: str | None = None, limit: float = LIMIT,
         poll: float = POLL) -> str:
    """Take a snapshot and wait until it can be restored from; answers its name.

    serving  an earlier try's, of which a person was told that it is not taken again
    Raises Failed when AWS cannot make it, TookTooLong (6) when it is not done in time; it goes on being made then.
    """
    deadline = time.monotonic() + limit
    wanted = serving if serving and serving == _earlier(session, state, identifier) else None
    if wanted:
        say(f"An earlier try has begun the snapshot {wanted}; it serves.")
    else:
        _wait_until_ready(session, identifier, say, deadline, poll)
        wanted = name(identifier, datetime.now(timezone.utc))
        settings = session.settings
        session.client("rds").create_db_snapshot(DBInstanceIdentifier=identifier, DBSnapshotIdentifier=wanted, Tags=[
            {"Key": "Project", "Value": settings.project.slug}, {"Key": "Workspace", "Value": settings.workspace},
            {"Key": TEARDOWN, "Value": _of(state)}])
    _wait_until_made(session, wanted, say, deadline, limit, poll)
    say(f"Made: the snapshot {wanted}")
    return wanted


def _of(state: State) -> str:
    """What a teardown is known by: once anything was applied, or deleted, it is another one."""
    return f"{state.lineage}/{state.serial}"


def _earlier(session: Session, state: State, identifier: str) -> str | None:
    """The newest snapshot of this very database by a try of this teardown within the last hour, made or in the making."""
    present, since = resource_id(session, identifier), name(identifier, datetime.now(timezone.utc) - RECENT)
    pages = session.client("rds").get_paginator("describe_db_snapshots").paginate(
        DBInstanceIdentifier=identifier, SnapshotType="manual")
    ours = re.compile(re.escape(identifier) + r"-\d{8}t\d{6}z")
    found = [each["DBSnapshotIdentifier"] for page in pages for each in page["DBSnapshots"]
             if each["Status"] in ("available", "creating") and each.get("DbiResourceId") == present
             and {"Key": TEARDOWN, "Value": _of(state)} in each.get("TagList", ())
             and ours.fullmatch(each["DBSnapshotIdentifier"]) and each["DBSnapshotIdentifier"] >= since]
    return max(found, default=None)


def _wait_until_ready(session: Session, identifier: str, say: Say, deadline: float, poll: float) -> None:
    said = None
    while (now := status(session, identifier)) not in READY:
        if now is None or HOPELESS.fullmatch(now):
            raise Failed(f"The database {identifier} is {now or 'gone'}: AWS takes no snapshot of it, and there is none.")
        if time.monotonic() > deadline:
            raise TookTooLong(f"The database {identifier} is still {now}; there is no snapshot.")
        if now != said:
            say(f"Waiting for the database {identifier}: {now}…")
            said = now
        time.sleep(poll)


def _wait_until_made(session: Session, wanted: str, say: Say, deadline: float, limit: float, poll: float) -> None:
    said = seen = None
    while (found := _described(session, wanted)) is None or found["Status"] != "available":
        if (seen and found is None) or (found and found["Status"] != "creating"):
            raise Failed(f"AWS could not make the snapshot {wanted}: it is {found['Status'] if found else 'gone'}.")
        if time.monotonic() > deadline:
            raise TookTooLong(f"The snapshot {wanted} is not done after {limit / 60:.0f} minutes; AWS goes on with it.")
        seen = found
        percent = found.get("PercentProgress", 0) if found else 0
        if percent != said:
            say(f"Waiting for the snapshot {wanted}: {percent} %…")
            said = percent
        time.sleep(poll)


def _described(session: Session, wanted: str) -> dict | None:
    """None for a moment after it was asked for: AWS does not know it everywhere at once."""
    try:
        return session.client("rds").describe_db_snapshots(DBSnapshotIdentifier=wanted)["DBSnapshots"][0]
    except Exception as error:
        if error_code(error) == "DBSnapshotNotFound":
            return None
        raise
