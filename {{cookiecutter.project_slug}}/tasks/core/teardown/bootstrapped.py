"""What `bootstrap` made beside the key: the state bucket with all its versions, and the image repository. What is in them,
what stops their removal, and the removal itself.

Both serve every workspace of the project in an account and region, and the bucket maybe other projects, too. Only what
bears the mark of `bootstrap` is removed: invoke.yaml may name a company's own bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import registry, state_bucket, state_file
from ..console import Failed
from ..initialise import backend
from ..session import Session, error_code

LOCK = ".tflock"
RECORDS = ("database.json", "unfinished.json")  # what the tasks keep beside a state


@dataclass(frozen=True)
class Contents:
    """What is there to remove; None for what is not there, or does not bear our mark.

    versions  of objects, delete markers counted;  bytes  of all versions;  images  of the repository
    strange   the keys of objects that this project's Terraform and tasks have not put into the bucket
    unmarked  what is there and stays, because nobody can tell who made it
    """

    versions: int | None
    bytes: int = 0
    strange: tuple[str, ...] = ()
    images: int | None = None
    unmarked: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return self.versions is None and self.images is None


def look(session: Session) -> Contents:
    """What of it is there, and what is in it."""
    repository, bucket = _repository_is_ours(session), _bucket_is_ours(session)
    unmarked = [each for each, ours in ((_repository(session), repository), (_bucket(session), bucket)) if ours is False]
    images = len(image_sizes(session)) if repository else None
    if not bucket:
        return Contents(None, images=images, unmarked=tuple(unmarked))
    found = list(versions(session))
    present = {each["Key"] for each in found if each["IsLatest"] and "Size" in each}
    strange = sorted(key for key in present if _is_strange(session, key))
    return Contents(len(found), sum(each.get("Size", 0) for each in found), tuple(strange), images, tuple(unmarked))


def still_used(session: Session, by_others: bool = True) -> dict[str, str]:
    """The key of each state that still holds resources, or cannot be read, and of each lock -> what it holds, in words.

    A state that was deleted while it held resources is one of them: they are there, and only its versions know them.
    by_others  whether states of other projects count, too; they need the bucket, and never the repository
    """
    if not state_bucket.exists(session):
        return {}
    found, listed = {}, [each for each in versions(session) if by_others or not _is_strange(session, each["Key"])]
    for key in sorted({each["Key"] for each in listed if each["IsLatest"] and "Size" in each}):
        if key.endswith(LOCK):
            found[key] = "somebody works on it: " + ((state_bucket.read_json(session, key) or {}).get("Who") or "not known")
        elif _may_be_a_state(session, key) and (said := _holds(session, key)):
            found[key] = said
    for key, last in _deleted(listed).items():
        if _may_be_a_state(session, key) and (count := _count(_content(session, key, last["VersionId"]))):
            found[key] = f"was deleted; its last version, of {last['LastModified']:%Y-%m-%d}, holds {_resources(count)}"
    return found


def workspaces(session: Session, used: Iterable[str]) -> list[str]:
    """Of which workspaces of this project the keys are the states."""
    states = (each.removeprefix(state_bucket.STATES).partition("/") for each in used if each.startswith(state_bucket.STATES))
    return [workspace for workspace, _, key in states if key == backend(session.settings)["key"]]


def remove(session: Session) -> list[str]:
    """Remove both for good, the repository first; answers what was removed. Run again, it goes on where it stopped."""
    removed, settings = [], session.settings
    if _repository_is_ours(session):
        session.client("ecr").delete_repository(repositoryName=settings.project.slug, force=True)
        removed.append(_repository(session))
    if _bucket_is_ours(session):
        _empty(session)
        session.client("s3").delete_bucket(**_owned(session))
        removed.append(_bucket(session))
    return removed


def versions(session: Session) -> Iterator[dict]:
    """Every version of every object, as S3 lists them; a delete marker has no ``Size``."""
    pages = session.client("s3").get_paginator("list_object_versions").paginate(**_owned(session))
    for page in pages:
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])


def image_sizes(session: Session) -> list[int]:
    """The bytes of each image of the repository."""
    pages = session.client("ecr").get_paginator("describe_images").paginate(repositoryName=session.settings.project.slug)
    return [image.get("imageSizeInBytes", 0) for page in pages for image in page["imageDetails"]]


def _repository(session: Session) -> str:
    return f"image repository {session.settings.project.slug}"


def _bucket(session: Session) -> str:
    return f"state bucket {session.settings.state_bucket}"


def _repository_is_ours(session: Session) -> bool | None:
    """Whether it bears our mark; None when it is not there."""
    if not registry.is_ecr(session.settings) or not registry.exists(session):
        return None
    ecr = session.client("ecr")
    [found] = ecr.describe_repositories(repositoryNames=[session.settings.project.slug])["repositories"]
    return _marked(session, ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"])


def _bucket_is_ours(session: Session) -> bool | None:
    if not state_bucket.exists(session):
        return None
    try:
        return _marked(session, session.client("s3").get_bucket_tagging(**_owned(session))["TagSet"])
    except Exception as error:
        if error_code(error) != "NoSuchTagSet":
            raise
        return False


def _marked(session: Session, tags: list[dict[str, str]]) -> bool:
    return all(mark in tags for mark in state_bucket.marks(session))


def _deleted(listed: list[dict]) -> dict[str, dict]:
    """key -> the last version of each object that was deleted and whose versions are there."""
    gone = {each["Key"] for each in listed if each["IsLatest"] and "Size" not in each}
    found: dict[str, dict] = {}
    for each in listed:
        before = found.get(each["Key"])
        if each["Key"] in gone and "Size" in each and (before is None or each["LastModified"] > before["LastModified"]):
            found[each["Key"]] = each  # S3 lists the newest first, and keeps whole seconds only
    return found


def _may_be_a_state(session: Session, key: str) -> bool:
    """A state of a workspace, or of Terraform's default one, this project's or another's."""
    return not key.endswith((LOCK, *(f"/{record}" for record in RECORDS))) and (
        key.startswith(state_bucket.STATES) or key.endswith(".tfstate") or key == backend(session.settings)["key"])


def _is_strange(session: Session, key: str) -> bool:
    """Neither a state of this project, of whatever workspace, nor its lock, nor a record beside it."""
    state = backend(session.settings)["key"]
    ours = {state, state + LOCK, *(f"{state.rpartition('/')[0]}/{record}".lstrip("/") for record in RECORDS)}
    inner = key.split("/", 2)[-1] if key.startswith(state_bucket.STATES) else key
    return inner not in ours


def _holds(session: Session, key: str) -> str:
    """What a state holds; empty when that is nothing. What cannot be read as a state counts as one that is in use."""
    content = state_bucket.read(session, key)
    count = 0 if content is None else _count(content)
    return "cannot be read as a state" if count is None else _resources(count) if count else ""


def _count(content: bytes) -> int | None:
    """How many resources a state holds; None for what is no state."""
    try:
        return len(state_file.parse(content).resources)
    except (Failed, ValueError, KeyError, TypeError, AttributeError):
        return None


def _resources(count: int) -> str:
    return f"{count} resources" if count > 1 else "1 resource"


def _content(session: Session, key: str, version: str) -> bytes:
    return state_bucket.whole(session.client("s3"), **state_bucket.owned(session, key), VersionId=version)[0]


def _empty(session: Session) -> None:
    """Delete every version and marker, page by page. Raises Failed for what AWS keeps, a retention for instance.

    The newest last: stopped half-way, what was current still is, and no old state seems to be in use.
    """
    s3, page = session.client("s3"), []
    for each in sorted(versions(session), key=lambda each: (each["LastModified"], each["IsLatest"])):
        page.append({"Key": each["Key"], "VersionId": each["VersionId"]})
        if len(page) == 1000:  # the most that one call takes
            _delete(s3, session, page)
            page = []
    if page:
        _delete(s3, session, page)


def _delete(s3, session: Session, objects: list[dict]) -> None:
    answer = s3.delete_objects(**_owned(session), Delete={"Objects": objects, "Quiet": True})
    for error in answer.get("Errors", []):
        raise Failed(f"AWS did not delete {error['Key']} from {session.settings.state_bucket} ({error['Code']}): "
                     f"{error.get('Message', '')}", run=session.settings.command("bootstrap.remove"))


def _owned(session: Session) -> dict[str, str]:
    return {"Bucket": session.settings.state_bucket, "ExpectedBucketOwner": session.settings.account}
