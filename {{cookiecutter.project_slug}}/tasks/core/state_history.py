"""The versions that the bucket keeps of a workspace's state: look at them, save one on this disk, put one back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import files, state_file, state_lock
from .console import BadInput, Failed, Refused
from .initialise import state_object
from .session import Session, error_code
from .settings import Settings
from .state_bucket import object_age, owned, read, whole
from .state_file import State

PAGE = 1000  # versions in one answer of S3, which gives no more
RECENT = 10  # versions that a restored state's serial has to be above


@dataclass(frozen=True)
class Version:
    """One version of the state in the bucket, or the mark of its deletion.

    id         S3's version id
    at         when it was written, UTC, to the second
    size       bytes; 0 for a deletion
    current    whether it is what the bucket answers now
    deletion   whether the state was deleted here
    serial     Terraform's own count; None for a deletion, for what is no state, and where nobody looked
    resources  how many resources it manages; None where serial is
    """

    id: str
    at: datetime
    size: int
    current: bool
    deletion: bool = False
    serial: int | None = None
    resources: int | None = None


@dataclass(frozen=True)
class Chosen:
    """A state that may be put back.  name: where it comes from;  content: as it was read;  state: what it says"""

    name: str
    content: dict[str, Any]
    state: State


@dataclass(frozen=True)
class Present:
    """What the bucket answers now.

    state  None when there is none, or when what lies there is no state
    etag   which version of the object that is; empty when there is none
    """

    state: State | None
    etag: str = ""


def versions(session: Session, count: int | None = None) -> tuple[Version, ...]:
    """The newest ``count`` versions, newest first, each with its serial and the number of its resources."""
    s3 = session.client("s3")
    return tuple(_described(session, s3, version) for version in _listed(session)[:count])


def of_version(session: Session, id: str) -> Chosen:
    """One version's content. Raises BadInput (4) when there is no such version, or when it is a deletion or no state."""
    again = session.settings.command("state.history")
    version = next((version for version in _listed(session) if version.id == id), None)
    if version is None:
        raise BadInput(f"The state has no version {id}.", run=again)
    if version.deletion:
        raise BadInput(f"Version {id} is the deletion of the state; choose one from before it.", run=again)
    return _chosen(f"version {id}", _content(session, session.client("s3"), id))


def of_file(file: Path) -> Chosen:
    """A state on this disk. Raises BadInput (4) when it is not there, or is none."""
    try:
        return _chosen(str(file), file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None


def present(session: Session) -> Present:
    """The state that the bucket answers now."""
    try:
        content, etag = whole(session.client("s3"), **_object(session))
    except Exception as error:
        if error_code(error) != "NoSuchKey":
            raise
        return Present(None)
    return Present(_parsed(content), etag)


def backup(session: Session) -> Path | None:
    """Save the present state below .local/states, for its owner only; answers the file, None when there is no state.

    Byte by byte: what lies in the bucket is kept even if it is no whole state.
    """
    content = read(session, state_object(session.settings))
    if content is None:
        return None
    return keep(session.settings, content)


def keep(settings: Settings, content: bytes) -> Path:
    """Save a state below .local/states, for its owner only; answers the file."""
    state = _parsed(content)
    folder = settings.private_dir("states", settings.workspace)
    file = folder / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-serial{state.serial if state else '-unknown'}.tfstate"
    files.replace(file, content, files.OWNERS_ONLY)
    return file


def require_restorable(session: Session, chosen: Chosen, before: Present, other_lineage: bool) -> None:
    """Raise Refused (3) for another stack's state: while one is there, only that one's earlier versions may replace it."""
    if before.state is not None and before.state.lineage != chosen.state.lineage and not other_lineage:
        raise Refused(
            f"{chosen.name} is another state than the present one (lineage {chosen.state.lineage}, not "
            f"{before.state.lineage}): that of another workspace or project, or one that was begun anew.",
            run=session.settings.command("state.restore", "…", "--other-lineage"),
        )


def restore(session: Session, chosen: Chosen, before: Present) -> tuple[int, Path | None]:
    """Put a state in the present one's place, under the lock; answers its new serial and where the old one was saved.

    Its serial is higher than any of late: plans and copies of the time in between do not fit any more.
    Raises Refused (3) when somebody holds the lock, or the present state is no longer the one that was shown.
    """
    lock = state_lock.acquire(session, "restore")
    try:
        saved = backup(session)
        serials = [version.serial or 0 for version in versions(session, RECENT)]
        serial = 1 + max([chosen.state.serial, *([before.state.serial] if before.state else []), *serials])
        condition = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
        content = json.dumps({**chosen.content, "serial": serial}, indent=2).encode() + b"\n"
        try:
            session.client("s3").put_object(**_object(session), Body=content, ContentType="application/json",
                                            ServerSideEncryption="AES256", **condition)
        except Exception as error:
            if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise
            raise Refused("The state has changed since it was shown. Nothing was written.",
                          run=session.settings.command("state.history")) from None
    finally:
        state_lock.release(session, lock)
    return serial, saved


def require_not_lost(session: Session) -> None:
    """Raise Refused (3) when the state was deleted though it still managed something: a plan would make all of it anew.

    A stack that was destroyed leaves a state without resources, which may be deleted.
    """
    if object_age(session, state_object(session.settings)) is not None:
        return
    s3 = session.client("s3")
    last = next((_described(session, s3, version) for version in _listed(session) if not version.deletion), None)
    if last is None or not last.resources:
        return
    raise Refused(
        f"The state was deleted from the bucket; its last version, of {last.at:%Y-%m-%d %H:%M} UTC, manages "
        f"{last.resources} resources. Without it all of them would be made a second time. Put it back "
        f"(`{session.settings.command('state.history')}` shows every version).",
        run=session.settings.command("state.restore", "--version", last.id),
    )


def _listed(session: Session) -> list[Version]:
    """Every version and deletion of the state's own key, newest first. S3 lists what begins with it, too: the lock."""
    key, place = state_object(session.settings), owned(session, "")
    pages = session.client("s3").get_paginator("list_object_versions").paginate(
        Bucket=place["Bucket"], Prefix=key, ExpectedBucketOwner=place["ExpectedBucketOwner"],
        PaginationConfig={"PageSize": PAGE})
    found = list(_of_key(pages, key))
    # S3 keeps whole seconds, and lists deletions apart: of one second, the current one is the newest
    return sorted(found, key=lambda version: (version.at, version.current), reverse=True)


def _of_key(pages, key: str) -> Iterator[Version]:
    for page in pages:
        for entry in page.get("Versions", ()):
            if entry["Key"] == key:
                yield Version(entry["VersionId"], _utc(entry["LastModified"]), entry["Size"], entry["IsLatest"])
        for entry in page.get("DeleteMarkers", ()):
            if entry["Key"] == key:
                yield Version(entry["VersionId"], _utc(entry["LastModified"]), 0, entry["IsLatest"], deletion=True)
        if page.get("NextKeyMarker", key) != key:  # in the order of keys: the lock's many versions come after
            return


def _described(session: Session, s3, version: Version) -> Version:
    state = None if version.deletion else _parsed(_content(session, s3, version.id))
    return version if state is None else replace(version, serial=state.serial, resources=len(state.resources))


def _content(session: Session, s3, id: str) -> bytes:
    return whole(s3, **_object(session), VersionId=id)[0]


def _parsed(content: bytes) -> State | None:
    try:
        return state_file.parse(content)
    except (Failed, ValueError, KeyError, TypeError, AttributeError):
        return None


def _chosen(name: str, content: bytes) -> Chosen:
    state = _parsed(content)
    if state is None:
        raise BadInput(f"{name} is not a state of Terraform.")
    return Chosen(name, json.loads(content), state)


def _object(session: Session) -> dict[str, str]:
    return owned(session, state_object(session.settings))


def _utc(time: datetime) -> datetime:
    return time.astimezone(timezone.utc)
