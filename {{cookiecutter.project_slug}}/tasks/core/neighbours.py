"""The other states of the account: which project, or which workspace of this one, manages an object too.

States are looked for where this template puts them: in buckets named …-state-ACCOUNT-REGION and in the workspace's own,
below ``env:/``. What may not be read is told, never guessed: nobody can say that it does not manage an object.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import initialise, state_file
from .console import Failed
from .session import Session, error_code
from .state_bucket import STATES

NOT_ALLOWED = ("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403")
GONE = ("NoSuchKey", "NoSuchBucket")
NAMES = ("id", "arn", "key_id")  # an object's name in a state; a key that was imported by its ARN has that for its id


@dataclass(frozen=True)
class Neighbour:
    """Another state: its bucket, its workspace, and the key that its project's backend block says."""

    bucket: str
    workspace: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}: {self.workspace} ({self.key})"


@dataclass(frozen=True)
class Neighbourhood:
    """states  each neighbour with what it manages;  unread  what these credentials may not read, as text"""

    states: tuple[tuple[Neighbour, tuple[state_file.Resource, ...]], ...] = ()
    unread: tuple[str, ...] = ()

    def holders(self, type: str, id: str) -> list[Neighbour]:
        """Whose state manages an object: a Terraform type, and its id or ARN."""
        return [neighbour for neighbour, resources in self.states
                if any(resource.type == type and id in map(resource.attributes.get, NAMES) for resource in resources)]


def look(session: Session) -> Neighbourhood:
    """Read every other state that can be found. Their secrets stay in memory, and not for long."""
    s3, unread = session.client("s3"), []
    own = (session.settings.state_bucket, initialise.state_object(session.settings))
    states = []
    for bucket in _buckets(s3, session, unread):
        for key in _listed(s3, bucket, unread):
            if (bucket, key) != own and (resources := _resources(s3, bucket, key, unread)) is not None:
                _, workspace, inner = key.split("/", 2)
                states.append((Neighbour(bucket, workspace, inner), resources))
    return Neighbourhood(tuple(states), tuple(unread))


def holders(session: Session, type: str, id: str) -> list[Neighbour]:
    """Whose state manages an object. What could not be read is not among them: ``look`` tells it."""
    return look(session).holders(type, id)


def _buckets(s3, session: Session, unread: list[str]) -> list[str]:
    settings, found = session.settings, []
    try:
        found = [bucket["Name"] for page in s3.get_paginator("list_buckets").paginate() for bucket in page["Buckets"]]
    except Exception as error:
        if error_code(error) not in NOT_ALLOWED:
            raise
        unread.append("the list of the account's buckets")
    suffix = f"-state-{settings.account}-{settings.region}"
    return sorted({settings.state_bucket, *(name for name in found if name.endswith(suffix))})


def _listed(s3, bucket: str, unread: list[str]) -> list[str]:
    """The keys of the states in a bucket: env:/WORKSPACE/KEY. Locks and the database's record lie beside them."""
    try:
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=STATES))
    except Exception as error:
        if error_code(error) in GONE:
            return []
        if error_code(error) not in NOT_ALLOWED:
            raise
        unread.append(bucket)
        return []
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return [key for key in keys if key.count("/") >= 2 and not key.endswith((".tflock", ".json"))]


def _resources(s3, bucket: str, key: str, unread: list[str]) -> tuple[state_file.Resource, ...] | None:
    """What a state manages; None when the object is no state, or went meanwhile."""
    try:
        return state_file.parse(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).resources
    except Failed as other_format:
        unread.append(f"{bucket}/{key} ({other_format.message})")
    except (ValueError, KeyError, AttributeError):
        pass
    except Exception as error:
        if error_code(error) in NOT_ALLOWED:
            unread.append(f"{bucket}/{key}")
        elif error_code(error) not in GONE:
            raise
    return None
