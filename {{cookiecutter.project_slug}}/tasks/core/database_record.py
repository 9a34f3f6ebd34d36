"""What has been done to the database: a record beside Terraform's state, written as the jobs end.

Whether a deployment is the first is read here and never from the state: a deployment that was killed between its
apply and its last job goes on where it stood. The record names the database by AWS's own id, so it dies with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from . import database, images, initialise, ows_config, state_bucket
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
        """The services that new tasks could not serve yet: the database is not ready, or their login role is not there.

        By the record alone, which may be lost while they serve.
        """
        own = set(settings.own_chamber_services)
        return sorted(name for name, chamber in settings.serving_services.items()
                      if not self.ready or (chamber in own and chamber not in self.services))

    def needed(self, inputs: Mapping[str, str]) -> list[str]:
        """The jobs whose input (see ``fingerprints``) differs from what they were last given, in their order."""
        return [job for job in JOBS if job in inputs and self.done.get(job) != inputs[job]]


def load(session: Session) -> Record:
    """The record of the database that is there now; an empty one for a new database, or none."""
    present = database.resource_id(session, session.settings.database)
    saved = state_bucket.read_json(session, _key(session.settings)) or {}
    if present is None or saved.get("database") != present:
        return Record(database=present)
    return Record(present, saved["done"], tuple(saved["services"]), saved["restart"])


def note(session: Session, record: Record, job: str, given: str, changed: bool) -> Record:
    """Note that a job has ended well, the fingerprint of what it was given, and whether it changed anything."""
    # no revision changes with a configuration in S3: running tasks have read the old one
    stale = changed or bool(session.settings.variables.get("ows_config"))
    return _write(session, replace(
        record,
        done={**record.done, job: given},
        services=tuple(session.settings.own_chamber_services) if job == "init-db" else record.services,
        restart=record.restart or (job == "ranges" and stale),
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


def fingerprints(session: Session) -> dict[str, str]:
    """job -> what it depends on now, as one short word. A job after another depends on that one's, too.

    To be taken before the image is made and a job runs: what is edited meanwhile is then due the next time. Raises
    BadInput (4) when ``ows_config`` names what is not there.
    """
    settings = session.settings
    variables, version = settings.variables, settings.project.ows_version
    found = {"init-db": _hash(settings.own_chamber_services, version), "schema": _hash(version)}
    found["products"] = _hash(variables.get("products"), _files(settings, "products"))
    found["index"] = _hash(found["products"], variables.get("index"), _files(settings, "sample"))
    found["ranges"] = _hash(found["index"], variables.get("ows_config"), _files(settings, "ows_config"),
                            ows_config.in_s3(session))
    return found


def _files(settings: Settings, folder: str) -> list[tuple[str, str]]:
    """Those of a folder of `image/` that go into the image: path, hash."""
    image = images.context(settings)
    if not (image / "Dockerfile").is_file():  # every service has an image of its own
        return []
    within = [path for path in images.context_files(image) if path.startswith(f"{folder}/") and (image / path).is_file()]
    return [(path, hashlib.sha256((image / path).read_bytes()).hexdigest()) for path in within]


def _hash(*parts) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _key(settings: Settings) -> str:
    return initialise.state_object(settings).rpartition("/")[0] + "/database.json"
