"""RDS, and only RDS: is an instance there, which one, and is it available yet."""

from __future__ import annotations

import time
from collections.abc import Callable

from .console import TookTooLong
from .session import Session, error_code

CREATION_LIMIT = 45 * 60  # seconds; a large Multi-AZ instance takes half of it
POLL = 5


def status(session: Session, identifier: str) -> str | None:
    """AWS's word for the instance's state (``creating``, ``available`` …); None when it does not exist."""
    found = _describe(session, identifier)
    return found and found["DBInstanceStatus"]


def resource_id(session: Session, identifier: str) -> str | None:
    """The id that AWS gives an instance for its life: another one of the same name has another. None without one."""
    found = _describe(session, identifier)
    return found and found["DbiResourceId"]


def _describe(session: Session, identifier: str) -> dict | None:
    try:
        found = session.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    except Exception as error:
        if error_code(error) == "DBInstanceNotFound":
            return None
        raise
    return found[0]


def wait_until_available(session: Session, identifier: str, say: Callable[[str], None], limit: int = CREATION_LIMIT) -> None:
    """Wait for the instance. Raises TookTooLong (6); the instance goes on being made."""
    started = time.monotonic()
    said = None
    while (now := status(session, identifier)) != "available":
        if time.monotonic() - started > limit:
            raise TookTooLong(f"The database {identifier} is still {now} after {limit // 60} minutes.",
                              run=session.settings.command("deploy"))
        if now != said:
            say(f"Waiting for the database {identifier}: {now}…")
            said = now
        time.sleep(POLL)
