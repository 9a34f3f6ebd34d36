"""What has been done to the database: a record beside Terraform's state, written as the jobs end.

Whether a deployment is the first is read here and never from the state: a deployment that was killed between its
apply and its last job goes on where it stood. The record names the database by AWS's own id, so it dies with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import database, initialise, state_bucket
from .session import Session
from .settings import Settings

JOBS = ("init-db", "schema", "products", "index", "ranges")  # in the order in which they build on each other


@dataclass(frozen=True)
class Record:
    """What was done to one database.

    database  AWS's id of the instance
    done      job -> fingerprint of what it was given
    services  chamber services with a login role
    restart   ranges have changed since the services last started: their tasks have read the old ones
    """

    database: str | None = None
    done: dict[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    restart: bool = False

    @property
    def ready(self) -> bool:
        """Whether the last job has ended well for this database."""
        return self.database is not None and set(JOBS) <= set(self.done)

    def unready(self, settings: Settings) -> list[str]:
        """The services whose tasks cannot run yet: the database is not ready, or their login role is not there."""
        own = set(settings.own_chamber_services)
        return sorted(name for name, chamber in settings.serving_services.items()
                      if not self.ready or (chamber in own and chamber not in self.services))

    def needed(self, settings: Settings) -> list[str]:
        """The jobs whose input differs from what they were last given, in their order."""
        wanted = fingerprints(settings)
        return [job for job in JOBS if self.done.get(job) != wanted[job]]


def load(session: Session) -> Record:
    """The record of the database that is there now; an empty one for a new database, or none."""
    present = database.resource_id(session, session.settings.database)
    saved = state_bucket.read_json(session, _key(session.settings)) or {}
    if present is None or saved.get("database") != present:
        return Record(database=present)
    return Record(present, saved["done"], tuple(saved["services"]), saved["restart"])


def note(session: Session, record: Record, job: str, changed: bool) -> Record:
    """Note that a job has ended well, and whether it changed anything; answers the record with it."""
    return _write(session, replace(
        record,
        done={**record.done, job: fingerprints(session.settings)[job]},
        services=tuple(session.settings.own_chamber_services) if job == "init-db" else record.services,
        restart=record.restart or (job == "ranges" and changed),
    ))


def note_restarted(session: Session, record: Record) -> Record:
    """Note that every service has started since the ranges last changed."""
    return _write(session, replace(record, restart=False)) if record.restart else record


def forget(session: Session) -> None:
    """Remove the record of a database that is gone."""
    session.client("s3").delete_object(Bucket=session.settings.state_bucket, Key=_key(session.settings),
                                       ExpectedBucketOwner=session.settings.account)


def _write(session: Session, record: Record) -> Record:
    state_bucket.write_json(session, _key(session.settings), asdict(record))
    return record


def fingerprints(settings: Settings) -> dict[str, str]:
    """job -> what it depends on, as one short word. A job after another depends on that one's, too."""
    image = settings.root / "image"
    variables = settings.variables
    found = {"init-db": _hash(settings.own_chamber_services), "schema": _hash(settings.project.ows_version)}
    found["products"] = _hash(variables.get("products"), _files(image / "products"))
    found["index"] = _hash(found["products"], variables.get("index"), _files(image / "sample"))
    found["ranges"] = _hash(found["index"], variables.get("ows_config"), _files(image / "ows_config"))
    return found


def _files(folder: Path) -> list[tuple[str, str]]:
    found: Iterable[Path] = sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else ()
    return [(file.relative_to(folder).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()) for file in found]


def _hash(*parts) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _key(settings: Settings) -> str:
    return initialise.state_object(settings).rpartition("/")[0] + "/database.json"
