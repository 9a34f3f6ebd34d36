"""The other states of the account: which project, or which workspace of this one, manages an object too.

They are looked for in the account's buckets of the region: the workspace's own, those named …-state-ACCOUNT-REGION, and
those that bear the tags of this template's bootstrap. What may not be read there is told, never guessed: nobody can say
that it does not manage an object. A state in another region, account or kind of backend is out of sight.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from . import initialise, state_file
from .console import Failed
from .session import Session, error_code
from .state_bucket import STATES, whole

LOOKED_AT = "the states in this template's buckets of the account and region"
NOT_ALLOWED = ("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403")
GONE = ("NoSuchKey", "NoSuchBucket")
NAMES = ("id", "arn", "key_id")  # an object's name in a state; a key that was imported by its ARN has that for its id
DEFAULT = "default"  # Terraform's workspace whose state lies at the backend's key itself
STATE = ".tfstate"
MOST_BUCKETS = 200  # are asked for their tags, a call each
MOST_PAGES = 20  # of 1,000 names are looked through outside of STATES: a bucket may hold anything beside its states


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
    """states  each neighbour with what it manages;  unread  what could not be read, as text"""

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
                states.append((_neighbour(bucket, key), resources))
    return Neighbourhood(tuple(states), tuple(unread))


def holders(session: Session, type: str, id: str) -> list[Neighbour]:
    """Whose state manages an object. What could not be read is not among them: ``look`` tells it."""
    return look(session).holders(type, id)


def _neighbour(bucket: str, key: str) -> Neighbour:
    if not key.startswith(STATES):
        return Neighbour(bucket, DEFAULT, key)
    _, workspace, inner = key.split("/", 2)
    return Neighbour(bucket, workspace, inner)


def _buckets(s3, session: Session, unread: list[str]) -> list[str]:
    settings, found = session.settings, []
    try:
        pages = s3.get_paginator("list_buckets").paginate(BucketRegion=settings.region)
        found = [bucket["Name"] for page in pages for bucket in page["Buckets"]]
    except Exception as error:
        if error_code(error) not in NOT_ALLOWED:
            raise
        unread.append("the list of the account's buckets")
    suffix = f"-state-{settings.account}-{settings.region}"
    named = {settings.state_bucket, *(name for name in found if name.endswith(suffix))}
    return sorted(named | _tagged(s3, [name for name in found if name not in named], unread))


def _tagged(s3, buckets: list[str], unread: list[str]) -> set[str]:
    """Those that bear the tags of our bootstrap, many asked at once. Those that cannot be asked may bear them, too."""
    asked = buckets[:MOST_BUCKETS]
    with ThreadPoolExecutor(8) as several:
        answers = dict(zip(asked, several.map(lambda bucket: _is_tagged(s3, bucket), asked), strict=True))
    silent = [bucket for bucket in buckets if answers.get(bucket) is None]
    if silent:
        more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
        unread.append(f"the tags of the buckets {', '.join(silent[:3])}{more}")
    return {bucket for bucket, tagged in answers.items() if tagged}


def _is_tagged(s3, bucket: str) -> bool | None:
    """Whether `bootstrap` has made it; None when these credentials may not know."""
    try:
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        return "Project" in tags and tags.get("Created_by") == tags["Project"]  # state_bucket.marks
    except Exception as error:
        if error_code(error) in NOT_ALLOWED:
            return None
        if error_code(error) not in ("NoSuchTagSet", *GONE):
            raise
        return False


def _listed(s3, bucket: str, unread: list[str]) -> list[str]:
    """The keys of the states in a bucket: env:/WORKSPACE/KEY, and what is named like one elsewhere, as the state of the
    default workspace is. Locks and the database's record lie beside them."""
    pages = s3.get_paginator("list_objects_v2")
    try:
        below = [key for key in _keys(pages.paginate(Bucket=bucket, Prefix=STATES))
                 if key.count("/") >= 2 and not key.endswith((".tflock", ".json"))]
        beside = iter(pages.paginate(Bucket=bucket))
        below += [key for key in _keys(islice(beside, MOST_PAGES)) if key.endswith(STATE) and not key.startswith(STATES)]
        if next(beside, None) is not None:
            unread.append(f"{bucket} beyond its first {MOST_PAGES},000 objects")
    except Exception as error:
        if error_code(error) in GONE:
            return []
        if error_code(error) not in NOT_ALLOWED:
            raise
        unread.append(bucket)
        return []
    return below


def _keys(pages: Iterable[dict]) -> list[str]:
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def _resources(s3, bucket: str, key: str, unread: list[str]) -> tuple[state_file.Resource, ...] | None:
    """What a state manages; None when the object is no state, or went meanwhile."""
    try:
        return state_file.parse(whole(s3, Bucket=bucket, Key=key)[0]).resources
    except Failed as other_format:
        unread.append(f"{bucket}/{key} ({other_format.message})")
    except (ValueError, KeyError, AttributeError):
        if key.endswith(STATE):
            unread.append(f"{bucket}/{key} (it cannot be read as a state)")
    except Exception as error:
        if error_code(error) in NOT_ALLOWED:
            unread.append(f"{bucket}/{key}")
        elif error_code(error) not in GONE:
            raise
    return None
