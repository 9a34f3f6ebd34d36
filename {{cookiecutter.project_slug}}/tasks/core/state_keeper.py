"""Brings the state to the bucket while Terraform works, and at the end. Runs in the supervisor, which has no settings."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from . import events, files, unfinished
from .kept_state import HEADERS, Place, as_read, content_of, digest
from .processes import read_json, write_json
from .session import client_of_environment, error_code

EVERY = 5  # seconds between two writes to the bucket: what a lost disk can cost
NOTE_EVERY = 1  # the same for the note of what is being made: by that it is found again
PATIENCE = 60  # seconds that the last write is tried again for


class Keeper:
    """Writes the state to the bucket while Terraform works. Runs in the supervisor, without settings."""

    def __init__(self, record: Path, events: Path):
        self.record, self.events, self.place = record, events, Place(**json.loads(record.read_text()))
        self._written, self._noted, self._seen = time.monotonic(), time.monotonic(), None
        self._begun: list[str] = []
        self._whole: bytes | None = None
        self._look()

    def tick(self) -> None:
        """Look, and write when it is time. What fails now is tried again later, or at the end."""
        self._look()
        now = time.monotonic()
        with suppress(Exception):  # whatever it is: Terraform must be waited for
            if now - self._noted >= NOTE_EVERY:
                self._noted = now
                self._note_begun()
            if now - self._written >= EVERY:
                self._written = now
                self._push(client_of_environment("s3", self.place.region, hasty=True))

    def _note_begun(self) -> None:
        """Tell beside the state what is being made, and what was unfinished before: who goes on without this disk has to
        look for it."""
        earlier = read_json(unfinished.in_folder(self.events.parent)) or []
        begun = sorted({*earlier, *unfinished.begun(events.of_file(self.events))})
        if begun != self._begun:
            s3 = client_of_environment("s3", self.place.region, hasty=True)
            s3.put_object(**self._object(unfinished.key_beside(self.place.key)), Body=json.dumps(begun).encode(), **HEADERS)
            self._begun = begun

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
                    self._mend()
                    return " ".join(str(error).split())
                time.sleep(pause)
                pause = min(2 * pause, 10)
                continue
            for name in (self.place.file, self.place.file + ".backup", self.record):
                Path(name).unlink(missing_ok=True)
            return None

    def _mend(self) -> None:
        """Put the last whole state in the place of one that was torn; aside first, for the disk may be full."""
        file = Path(self.place.file)
        if self._whole is not None and content_of(file) != self._whole:
            with suppress(OSError):
                files.replace(file, self._whole, files.OWNERS_ONLY)

    def _push(self, s3) -> None:
        content = self._whole
        if content is None or digest(content) == self.place.sha256:
            return
        self._note(replace(self.place, sent=[*self.place.sent, digest(content)]))
        condition = {"IfMatch": self.place.etag} if self.place.etag else {"IfNoneMatch": "*"}
        try:
            answer = s3.put_object(**self._object(self.place.key), Body=content, **condition, **HEADERS)
        except Exception as error:
            if error_code(error) not in ("PreconditionFailed", "412"):
                raise
            # the answer to an earlier write may have got lost: then what lies there is ours
            present = s3.get_object(**self._object(self.place.key))
            there = present["Body"].read()
            if digest(there) not in self.place.sent:
                raise
            self._note(as_read(self.place, there, present["ETag"]))
            return self._push(s3)
        self._note(as_read(self.place, content, answer["ETag"]))

    def _note(self, place: Place) -> None:
        self.place = place
        write_json(self.record, asdict(place))

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
