"""The lock on a workspace's state in the bucket: the object that Terraform's S3 backend uses, in Terraform's own words.

Held by us while a plan is applied, so that Terraform by hand and colleagues' tasks are told who works here and since when.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

from .console import Refused
from .initialise import state_object
from .session import Session, error_code
from .state_bucket import owned, read


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as Terraform's lock file says it; ``since`` is UTC in ISO 8601."""

    id: str
    who: str
    since: str
    operation: str

    def __str__(self) -> str:
        return f"ID: {self.id}; Operation: {self.operation}; Who: {self.who}; Created: {self.since}"


def key(session: Session) -> str:
    """The lock's own key in the bucket."""
    return state_object(session.settings) + ".tflock"


def holder(session: Session) -> Holder | None:
    """Who holds the lock; None when nobody does."""
    content = read(session, key(session))
    if content is None:
        return None
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    return Holder(*(str(said.get(name) or "not known") for name in ("ID", "Who", "Created", "Operation")))


def require_free(session: Session) -> None:
    """Raise Refused (3) while somebody holds the lock, with who and since when."""
    found = holder(session)
    if found:
        raise _held(session, found)


def acquire(session: Session, operation: str, id_: str = "") -> str:
    """Take the lock; answers its id, a new one unless told. Raises Refused (3) while somebody holds it."""
    id_ = id_ or str(uuid.uuid4())
    content = {
        "ID": id_,
        "Operation": f"OperationType{operation.capitalize()}",
        "Info": "",
        "Who": f"{_user()}@{socket.gethostname()}",
        "Version": "",
        "Created": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "Path": f"{session.settings.state_bucket}/{state_object(session.settings)}",
    }
    try:
        session.client("s3").put_object(**owned(session, key(session)), Body=json.dumps(content).encode(), IfNoneMatch="*",
                                        ServerSideEncryption="AES256", ContentType="application/json")
    except Exception as error:
        # 412: it is held; 409: two have asked in the same moment, and the other one has it or will ask again
        if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            raise
        found = holder(session)
        if found and found.id == id_:  # ours: the answer got lost, and boto3 has asked twice
            return id_
        raise _held(session, found or Holder("not known", "not known", "not known", "not known")) from None
    return id_


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return str(os.getuid())


def release(session: Session, id_: str) -> bool:
    """Give the lock back if it is the one with this id; answers whether it was."""
    found = holder(session)
    if found is None or found.id != id_:
        return False
    session.client("s3").delete_object(**owned(session, key(session)))
    return True


def _held(session: Session, found: Holder) -> Refused:
    return Refused(f"Somebody else holds the state's lock; wait for them. {found}",
                   run=f"{session.settings.command('state.unlock')}  (if that run is dead)")
