"""What has been done to the database: a record beside Terraform's state, written as the jobs end.

Whether a deployment is the first is read here and never from the state: a deployment that was killed between its
apply and its last job goes on where it stood. The record names the database by AWS's own id, so it dies with it.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from . import database, images, initialise, state_bucket
from .console import BadInput, warn
from .session import Session, error_code
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
                            _configuration_in_s3(session))
    return found


def _files(settings: Settings, folder: str) -> list[tuple[str, str]]:
    """Those of a folder of `image/` that go into the image: path, hash."""
    image = images.context(settings)
    if not (image / "Dockerfile").is_file():  # every service has an image of its own
        return []
    within = [path for path in images.context_files(image) if path.startswith(f"{folder}/") and (image / path).is_file()]
    return [(path, hashlib.sha256((image / path).read_bytes()).hexdigest()) for path in within]


def _configuration_in_s3(session: Session) -> dict[str, str]:
    """Address -> ETag of the OWS configuration and of all that it includes, as far as they are in S3.

    For who may not read it (the tasks may) a change goes unnoticed, which is said.
    """
    found, left = {}, [session.settings.variables.get("ows_config") or ""]
    while left:
        address = left.pop()
        if address in found or not address.startswith("s3://"):
            continue
        try:
            found[address], document = _read(session, address)
        except Exception as error:
            if error_code(error) not in ("AccessDenied", "403"):
                raise
            warn(f"These credentials may not read {address} (s3:GetObject), or it is not there: deploy does not notice "
                 "when it changes.")
            return {}
        left += _included(document, address)
    return found


def _read(session: Session, address: str) -> tuple[str, Any]:
    """ETag and content of a JSON object in S3. Raises BadInput."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    try:
        answer = session.client("s3").get_object(Bucket=bucket, Key=key)
        return answer["ETag"], json.loads(answer["Body"].read())
    except ValueError as error:
        raise BadInput(f"The OWS configuration {address} is no JSON: {error}.") from None
    except Exception as error:
        if error_code(error) not in ("NoSuchKey", "NoSuchBucket", "404"):
            raise
        named = session.settings.variables["ows_config"]
        which = f"ows_config in {session.settings.tfvars.name} names it" if named == address else f"{named} includes it"
        raise BadInput(f"The OWS configuration {address} is not there; {which}.") from None


def _included(document: Any, address: str) -> list[str]:
    """The addresses that a document includes; as ows_jobs/configuration.py finds them."""
    if isinstance(document, dict):
        if isinstance(document.get("include"), str) and document.get("type", "json") == "json":
            return [posixpath.join(posixpath.dirname(address), document["include"])]
        document = list(document.values())
    return [found for each in document for found in _included(each, address)] if isinstance(document, list) else []


def _hash(*parts) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _key(settings: Settings) -> str:
    return initialise.state_object(settings).rpartition("/")[0] + "/database.json"
