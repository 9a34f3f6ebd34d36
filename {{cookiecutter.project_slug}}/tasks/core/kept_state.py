"""The state while Terraform works: brought from the bucket to this disk, and back every few seconds and at the end.

Only who holds the lock writes, and only over what he has read (If-Match). What is on this disk is removed once the
bucket has it; until then the folder says so, and no task goes on without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from . import state_file, state_lock, working_root
from .console import Failed, Refused
from .initialise import state_object
from .processes import read_json, write_json
from .session import Session, client_of_environment, error_code
from .settings import Settings
from .state_bucket import owned, read
from .state_file import State

EVERY = 5  # seconds between two writes to the bucket: what a lost disk can cost
PATIENCE = 60  # seconds that the last write is tried again for


class Torn(Failed):
    """A state whose writing was cut off: Terraform writes its file in place."""


@dataclass(frozen=True)
class Place:
    """Where a state lies, for a process that has no settings: files may change while Terraform works.

    etag  the version in the bucket that the state on this disk was made from; empty: there was none
    """

    file: str
    bucket: str
    key: str
    account: str
    region: str
    lock: str
    etag: str = ""
    sha256: str = ""

    @property
    def unsaved(self) -> bool:
        """Whether the file holds what the bucket does not."""
        content = _bytes(Path(self.file))
        return content is not None and hashlib.sha256(content).hexdigest() != self.sha256


def fetch(session: Session, lock: str = "") -> Place:
    """Put the bucket's state on this disk. ``lock``: the id of the one that is held, if Terraform is going to write.

    Raises Refused (3) while the disk holds a state that the bucket does not have.
    """
    settings, file = session.settings, working_root.state_file(session.settings)
    require_saved(settings)
    place = _at(session, file, lock)
    try:
        answer = session.client("s3").get_object(**owned(session, place.key))
        content, etag = answer["Body"].read(), answer["ETag"]
    except Exception as error:
        if error_code(error) != "NoSuchKey":
            raise
        content, etag = None, ""
    discard(settings)
    if content is not None:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
    place = _read(place, content, etag)
    write_json(_record(settings), asdict(place))
    return place


def discard(settings: Settings) -> None:
    """Remove the state from this disk: the bucket has it."""
    file = working_root.state_file(settings)
    for name in (file, file.with_name(file.name + ".backup"), _record(settings)):
        name.unlink(missing_ok=True)


def left(settings: Settings) -> Path | None:
    """A state that waits on this disk and is not in the bucket; None when there is none."""
    errored = settings.root / "errored.tfstate"  # Terraform's own way, when somebody applies by hand
    if errored.exists():
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

    Raises Refused (3) when the bucket's state is another one, or newer.
    """
    settings = session.settings
    place, content = _recorded(settings), file.read_bytes()
    ours, held = place.lock if place else "", state_lock.holder(session)
    lock = ours if held and held.id == ours else state_lock.acquire(session, "push")
    try:
        waiting, present = _whole(content, file), read(session, state_object(settings))
        there = state_file.parse(present) if present is not None else None
        if there and there.lineage != waiting.lineage:
            raise Refused(f"The state in the bucket is another one (lineage {there.lineage}, not {waiting.lineage}). "
                          "Nothing was written.", run=settings.command("state.history"))
        if there and there.serial > waiting.serial:
            raise Refused(f"The state in the bucket is newer (serial {there.serial}, not {waiting.serial}). Nothing was "
                          "written.", run=settings.command("state.history"))
        session.client("s3").put_object(**owned(session, state_object(settings)), Body=content, **_HEADERS)
        if read(session, state_object(settings)) != content:
            raise Failed("The bucket does not answer the state that was written to it.")
    finally:
        state_lock.release(session, lock)
    discard(settings)
    return waiting


def give_up(session: Session) -> None:
    """Remove a state on this disk that is of no use, and give its lock back: the bucket has one from seconds before."""
    place = _recorded(session.settings)
    if place:
        state_lock.release(session, place.lock)
    discard(session.settings)


def release_ours(session: Session) -> None:
    """Give back a lock that a killed task of this checkout has left; no run of it goes on, and all is saved."""
    place = _recorded(session.settings)
    if place and not place.unsaved:
        give_up(session)


class Keeper:
    """Writes the state to the bucket while Terraform works. Runs in the supervisor, without settings."""

    def __init__(self, record: Path):
        self.record, self.place = record, Place(**json.loads(record.read_text()))
        self._written, self._seen = time.monotonic(), None
        self._whole = _bytes(Path(self.place.file))

    def tick(self) -> None:
        """Look, and write when it is time. What fails now is tried again later, or at the end."""
        self._look()
        if time.monotonic() - self._written >= EVERY:
            self._written = time.monotonic()
            with suppress(Exception):  # whatever it is: Terraform must be waited for
                self._push(client_of_environment("s3", self.place.region, hasty=True))

    def _look(self) -> None:
        """Terraform writes its file in place, so it may be torn: the last whole one is what counts."""
        with suppress(FileNotFoundError, ValueError):
            stamp = os.stat(self.place.file).st_mtime_ns
            if stamp != self._seen:
                content = Path(self.place.file).read_bytes()
                json.loads(content)
                self._whole, self._seen = content, stamp

    def finish(self) -> str | None:
        """Write what is left and give the lock back; answers why it could not be done, or None."""
        self._look()
        deadline, pause = time.monotonic() + PATIENCE, 1.0
        while True:
            try:
                s3 = client_of_environment("s3", self.place.region)
                self._push(s3)
                self._release(s3)
            except Exception as error:
                if time.monotonic() + pause > deadline:
                    if self._whole is not None:
                        Path(self.place.file).write_bytes(self._whole)
                    return " ".join(str(error).split())
                time.sleep(pause)
                pause = min(2 * pause, 10)
                continue
            for name in (self.place.file, self.place.file + ".backup", self.record):
                Path(name).unlink(missing_ok=True)
            return None

    def _push(self, s3) -> None:
        content = self._whole
        if content is None or hashlib.sha256(content).hexdigest() == self.place.sha256:
            return
        condition = {"IfMatch": self.place.etag} if self.place.etag else {"IfNoneMatch": "*"}
        try:
            answer = s3.put_object(**self._object(self.place.key), Body=content, **condition, **_HEADERS)
            etag = answer["ETag"]
        except Exception as error:
            # the answer to an earlier try may have got lost: then the bucket has these very bytes
            if error_code(error) not in ("PreconditionFailed", "412"):
                raise
            present = s3.get_object(**self._object(self.place.key))
            if present["Body"].read() != content:
                raise
            etag = present["ETag"]
        self.place = _read(self.place, content, etag)
        write_json(self.record, asdict(self.place))

    def _release(self, s3) -> None:
        lock = self._object(self.place.key + ".tflock")
        try:
            held = json.loads(s3.get_object(**lock)["Body"].read())
        except Exception as error:
            if error_code(error) != "NoSuchKey":
                raise
            return
        if held.get("ID") == self.place.lock:
            s3.delete_object(**lock)

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.place.bucket, "Key": key, "ExpectedBucketOwner": self.place.account}


_HEADERS = {"ServerSideEncryption": "AES256", "ContentType": "application/json"}


def record_file(settings: Settings) -> Path:
    """What the supervisor is given, and what a later task finds."""
    return _record(settings)


def _record(settings: Settings) -> Path:
    return settings.private_dir("roots", settings.workspace, "state") / "place.json"


def _recorded(settings: Settings) -> Place | None:
    try:
        return Place(**read_json(_record(settings)))
    except TypeError:  # not there, or damaged
        return None


def _at(session: Session, file: Path, lock: str) -> Place:
    settings = session.settings
    return Place(str(file), settings.state_bucket, state_object(settings), settings.account, settings.region, lock)


def _read(place: Place, content: bytes | None, etag: str) -> Place:
    sha256 = "" if content is None else hashlib.sha256(content).hexdigest()
    return Place(**{**asdict(place), "etag": etag, "sha256": sha256})


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _whole(content: bytes, file: Path) -> State:
    try:
        return state_file.parse(content)
    except (ValueError, KeyError):
        raise Torn(f"{file.name} is not a whole state: its writing was cut off.") from None


def _shown(settings: Settings, file: Path) -> str:
    return str(file.relative_to(settings.root)) if file.is_relative_to(settings.root) else str(file)
