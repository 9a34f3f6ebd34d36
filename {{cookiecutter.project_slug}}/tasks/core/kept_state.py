"""The state while Terraform works: brought from the bucket to this disk, and back every few seconds and at the end.

Only who holds the lock writes, and only over what he has read (If-Match). What is on this disk is removed once the
bucket has it; until then the folder says so, and no task goes on without it.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import runs, state_file, state_lock, working_root
from .console import Failed, Refused
from .initialise import state_object
from .processes import read_json, write_json
from .session import Session, error_code
from .settings import Settings
from .state_bucket import owned, read, whole
from .state_file import State

HEADERS = {"ServerSideEncryption": "AES256", "ContentType": "application/json"}


class Torn(Failed):
    """A state whose writing was cut off: Terraform writes its file in place."""


class Overtaken(Refused):
    """Somebody else has written the state in the bucket since this one was read from it."""


@dataclass(frozen=True)
class Place:
    """Where a state lies, for a process that has no settings: files may change while Terraform works.

    etag    the version in the bucket that the state on this disk was made from; empty: there was none
    sha256  of that version
    sent    of all that was written to the bucket since, without an answer: any of it may have arrived
    """

    file: str
    bucket: str
    key: str
    account: str
    region: str
    lock: str
    etag: str = ""
    sha256: str = ""
    sent: Sequence[str] = ()

    @property
    def unsaved(self) -> bool:
        """Whether the file holds what the bucket does not."""
        content = content_of(Path(self.file))
        return content is not None and digest(content) != self.sha256


def lock(session: Session, operation: str) -> str:
    """Take the state's lock for this checkout; answers its id. Raises Refused (3) while somebody holds it.

    It is on record before it is taken: whenever this task is killed, a later one knows whose it is.
    """
    require_saved(session.settings)
    id_ = str(uuid.uuid4())
    write_json(record_file(session.settings), asdict(_at(session, working_root.state_file(session.settings), id_)))
    try:
        state_lock.acquire(session, operation, id_)
    except Refused:
        discard(session.settings)
        raise
    return id_


def fetch(session: Session, lock: str = "") -> Place:
    """Put the bucket's state on this disk. ``lock``: the id of the one that is held, if Terraform is going to write.

    Raises Refused (3) while the disk holds a state that the bucket does not have.
    """
    settings, file = session.settings, working_root.state_file(session.settings)
    require_saved(settings)
    place = _at(session, file, lock)
    try:
        content, etag = whole(session.client("s3"), **owned(session, place.key))
    except Exception as error:
        if error_code(error) != "NoSuchKey":
            raise
        content, etag = None, ""
    place = as_read(place, content, etag)
    for earlier in (file, _backup(file)):
        earlier.unlink(missing_ok=True)
    write_json(record_file(settings), asdict(place))  # first: without it, a state on the disk would be nobody's
    if content is not None:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
    return place


def discard(settings: Settings) -> None:
    """Remove the state from this disk: the bucket has it."""
    file = working_root.state_file(settings)
    for name in (file, _backup(file), record_file(settings)):
        name.unlink(missing_ok=True)


def left(settings: Settings) -> Path | None:
    """A state of this workspace that waits on this disk and is not in the bucket; None when there is none."""
    errored = settings.root / "errored.tfstate"  # Terraform's own way, when somebody applies by hand
    if errored.exists() and _workspaces(errored) <= {settings.workspace}:
        return errored
    place = _recorded(settings)
    return Path(place.file) if place and place.unsaved else None


def require_saved(settings: Settings) -> None:
    """Raise Refused (3) while a state waits on this disk: planning without it would make everything twice."""
    file = left(settings)
    if file:
        ours = file == working_root.state_file(settings)
        raise Refused(f"The last run could not bring its state to the bucket; it is in {_shown(settings, file)}. "
                      "Nothing is lost if that is done before anything else.",
                      run=settings.command("recover" if ours else "state.push-errored"))


def push_left(session: Session, file: Path) -> State:
    """Bring a state that waits on this disk to the bucket, and give its lock back; answers it.

    Raises Refused (3) while a run goes on, and Overtaken when the bucket's is not the one that this one was made from.
    """
    settings = session.settings
    with runs.one_task_at_a_time(settings), runs.none_going_on(settings):
        place = _recorded(settings) if file == working_root.state_file(settings) else None
        content = file.read_bytes()
        waiting = _whole(content, file)
        held = state_lock.holder(session)
        lock = held.id if place and held and held.id == place.lock else state_lock.acquire(session, "push")
        try:
            present = _present(session)
            if place:
                _require_same_origin(session, place, content, present)
            else:
                _require_newer(session, waiting, present)
            condition = {"IfMatch": present[1]} if present else {"IfNoneMatch": "*"}
            session.client("s3").put_object(**owned(session, state_object(settings)), Body=content, **condition, **HEADERS)
            if read(session, state_object(settings)) != content:
                raise Failed("The bucket does not answer the state that was written to it.")
        finally:
            state_lock.release(session, lock)
        if place:
            discard(settings)
        else:
            file.unlink()
    return waiting


def _present(session: Session) -> tuple[bytes, str] | None:
    """The bucket's state and its ETag; None when there is none."""
    try:
        return whole(session.client("s3"), **owned(session, state_object(session.settings)))
    except Exception as error:
        if error_code(error) != "NoSuchKey":
            raise
        return None


def _require_same_origin(session: Session, place: Place, content: bytes,
                         present: tuple[bytes, str] | None) -> None:
    """Raise Overtaken (3) when somebody else has written since: what they wrote must not be lost either.

    Where nothing is left of the state in the bucket, this one is all that there is.
    """
    if present and digest(present[0]) not in (place.sha256, *place.sent, digest(content)):
        file = _shown(session.settings, Path(place.file))
        raise Overtaken("The state in the bucket has been written by somebody else since. Nothing was written; yours is in "
                        f"{file}.", run=session.settings.command("recover"))


def _require_newer(session: Session, waiting: State, present: tuple[bytes, str] | None) -> None:
    """Raise Refused (3) unless Terraform's own state is of this workspace and newer than the bucket's."""
    history = session.settings.command("state.history")
    there = state_file.parse(present[0]) if present else None
    if there and there.lineage != waiting.lineage:
        raise Refused(f"The state in the bucket is another one (lineage {there.lineage}, not {waiting.lineage}). "
                      "Nothing was written.", run=history)
    if there and there.serial > waiting.serial:
        raise Refused(f"The state in the bucket is newer (serial {there.serial}, not {waiting.serial}). Nothing was "
                      "written.", run=history)
    if not there and not state_file.workspaces(waiting):
        raise Refused("Nothing says which workspace that state is of, and this one has none in the bucket. Nothing was "
                      "written.", run="terraform state push errored.tfstate")


def give_up(session: Session) -> None:
    """Remove a state on this disk that is of no use, and give its lock back: the bucket has another."""
    with runs.one_task_at_a_time(session.settings), runs.none_going_on(session.settings):
        _give_up(session)


def release_ours(session: Session) -> None:
    """Give back a lock that a killed task of this checkout has left, unless a run goes on or its state waits."""
    place = _recorded(session.settings)
    if place and not place.unsaved:
        with suppress(Refused), runs.one_task_at_a_time(session.settings), runs.none_going_on(session.settings):
            _give_up(session)


def _give_up(session: Session) -> None:
    place = _recorded(session.settings)
    if place:
        state_lock.release(session, place.lock)
    discard(session.settings)


def record_file(settings: Settings) -> Path:
    """What the supervisor is given, and what a later task finds."""
    return settings.private_dir("roots", settings.workspace, "state") / "place.json"


def _recorded(settings: Settings) -> Place | None:
    try:
        return Place(**read_json(record_file(settings)))
    except TypeError:  # not there, or damaged
        return None


def _at(session: Session, file: Path, lock: str) -> Place:
    settings = session.settings
    return Place(str(file), settings.state_bucket, state_object(settings), settings.account, settings.region, lock)


def as_read(place: Place, content: bytes | None, etag: str) -> Place:
    return replace(place, etag=etag, sha256="" if content is None else digest(content), sent=())


def content_of(file: Path) -> bytes | None:
    """What a file holds; None when it is not there, or empty as Terraform makes it when it locks a state."""
    try:
        return file.read_bytes() or None
    except FileNotFoundError:
        return None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _backup(file: Path) -> Path:
    return file.with_name(file.name + ".backup")


def _workspaces(file: Path) -> set[str]:
    """The workspaces that the resources of a state say they are of; none when it cannot be read."""
    try:
        return state_file.workspaces(state_file.parse(file.read_bytes()))
    except (ValueError, KeyError, Failed):
        return set()


def _whole(content: bytes, file: Path) -> State:
    try:
        return state_file.parse(content)
    except (ValueError, KeyError):
        raise Torn(f"{file.name} is not a whole state: its writing was cut off.") from None


def _shown(settings: Settings, file: Path) -> str:
    return str(file.relative_to(settings.root)) if file.is_relative_to(settings.root) else str(file)
