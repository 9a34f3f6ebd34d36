"""The saved account: everything the embedded AWS knows, kept as whole snapshots so that kill -9 costs a few seconds.

A snapshot is one file, written aside, flushed to the disk and then renamed: it is there as a whole or not at all. Its
first line holds the checksum of the rest. Long values (objects in S3, Terraform's state among them) are kept once, under
their own checksum, and the snapshot refers to them; so a save writes only what is new. The snapshot before the last one
stays, for the day when the disk loses the last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

KEPT_SNAPSHOTS = 2
LONG = 4096  # bytes from which a value is kept apart


class Torn(Exception):
    """A snapshot that is not whole."""


class Unusable(Exception):
    """No snapshot can be used; the message is a sentence for the user."""


@dataclass(frozen=True)
class Restored:
    """What was found: every service's state (empty for a new account), when it was saved, and what was wrong."""

    states: dict[str, Any]
    saved_at: str | None = None
    warning: str | None = None


class Account:
    """One account's folder.

    folder   0700; holds ``00000001.json`` … and ``values/``
    version  MiniStack's version: another one's snapshots are refused, for their shape may differ
    default  encodes what JSON cannot (MiniStack's own stores); hook decodes it
    """

    def __init__(self, folder: Path, version: str, default: Callable, hook: Callable):
        self.folder, self.version = folder, version
        self.values = folder / "values"
        self.saved_at: str | None = None
        self._default, self._hook = default, hook
        self._checksum = ""
        self._used: dict[int, set[str]] = {}  # snapshot's number -> the long values that it refers to
        self._names: dict[bytes, str] = {}  # a long value's checksum, so that it is computed once
        for place in (folder, self.values):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.chmod(0o700)

    def load(self) -> Restored:
        """The newest whole snapshot. Raises Unusable when there are some but none is whole."""
        torn: list[Path] = []
        for file in self._snapshots():
            try:
                states = self._read(file)
            except Torn:
                torn.append(file)
                continue
            for broken in torn:
                broken.unlink()
            warning = f"The last snapshot of the account was torn; the one of {self.saved_at} was taken."
            return Restored(states, self.saved_at, warning if torn else None)
        if torn:
            raise Unusable(f"No snapshot of the account in {self.folder} is whole. "
                           "Begin with an empty one: invoke local.reset")
        return Restored({})

    def encode(self, states: dict[str, Any]) -> Snapshot:
        """The states as text. Takes them as they are at this moment, so nothing may change them meanwhile."""
        values: dict[str, bytes] = {}
        names: dict[bytes, str] = {}

        def default(value):
            if isinstance(value, (bytes, bytearray)) and len(value) >= LONG:
                value = bytes(value)
                name = names[value] = self._names.get(value) or hashlib.sha256(value).hexdigest()
                values[name] = value
                return {"__value__": name}
            return self._default(value)

        text = json.dumps(states, default=default).encode()
        self._names = names
        return Snapshot(text, hashlib.sha256(text).hexdigest(), values)

    def write(self, snapshot: Snapshot) -> bool:
        """Keep a snapshot unless it says what the last one says. True when something was written."""
        if snapshot.checksum == self._checksum:
            return False
        for name, value in snapshot.values.items():
            if not (self.values / name).exists():
                _write(self.values / name, value)
        _flush(self.values)
        number = max(self._used, default=0) + 1
        saved_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        header = {"ministack": self.version, "saved_at": saved_at, "sha256": snapshot.checksum}
        _write(self.folder / f"{number:08}.json", json.dumps(header).encode() + b"\n" + snapshot.text)
        _flush(self.folder)
        self._used[number] = set(snapshot.values)
        self._checksum, self.saved_at = snapshot.checksum, saved_at
        self._forget()
        return True

    def _snapshots(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.json"), reverse=True)

    def _read(self, file: Path) -> dict[str, Any]:
        try:
            first, _, text = file.read_bytes().partition(b"\n")
            header = json.loads(first)
            version, checksum, saved_at = header["ministack"], header["sha256"], header["saved_at"]
        except (OSError, ValueError, KeyError, TypeError):
            raise Torn from None
        if hashlib.sha256(text).hexdigest() != checksum:
            raise Torn
        if version != self.version:
            raise Unusable(f"The account was saved by MiniStack {version}, this is {self.version}. "
                           "Begin with an empty one: invoke local.reset")
        used: set[str] = set()

        def hook(found: dict):
            name = found.get("__value__")
            if name is None:
                return self._hook(found)
            used.add(name)
            return self._value(name)

        states = json.loads(text, object_hook=hook)
        self._used[int(file.stem)] = used
        self._checksum, self.saved_at = checksum, saved_at
        return states

    def _value(self, name: str) -> bytes:
        try:
            value = (self.values / name).read_bytes()
        except OSError:
            raise Torn from None
        if hashlib.sha256(value).hexdigest() != name:
            (self.values / name).unlink()  # so that the next save writes it anew
            raise Torn
        return value

    def _forget(self) -> None:
        """Delete the snapshots before the last two, and the values that nobody refers to any more."""
        kept = sorted(self._used)[-KEPT_SNAPSHOTS:]
        self._used = {number: self._used[number] for number in kept}
        for file in self._snapshots():
            if int(file.stem) < kept[0]:
                file.unlink()
        used = set().union(*self._used.values())
        for file in self.values.iterdir():
            if file.name not in used:
                file.unlink()


@dataclass(frozen=True)
class Snapshot:
    """The account at one moment: its text, the text's checksum, and the long values by their checksums."""

    text: bytes
    checksum: str
    values: dict[str, bytes]


def _write(file: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, readable by its owner alone."""
    aside = file.with_name(file.name + ".tmp")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(aside, file)


def _flush(folder: Path) -> None:
    """Flush a folder's own entries: a rename is safe only then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
