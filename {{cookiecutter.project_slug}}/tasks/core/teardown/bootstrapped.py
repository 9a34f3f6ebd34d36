"""What `bootstrap` made beside the key: the state bucket with all its versions, and the image repository. What is in them,
what stops their removal, and the removal itself.

Both serve every workspace of the project in an account and region, and the bucket maybe other projects, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import registry, state_bucket, state_file
from ..console import Failed
from ..initialise import backend
from ..session import Session

LOCK = ".tflock"
RECORDS = ("/database.json",)  # what the tasks keep beside a state


@dataclass(frozen=True)
class Contents:
    """What is there to remove; None for what is not there.

    versions  of objects, delete markers counted;  bytes  of all versions;  images  of the repository
    strange   the keys of objects that neither Terraform nor the tasks have put into the bucket
    """

    versions: int | None
    bytes: int = 0
    strange: tuple[str, ...] = ()
    images: int | None = None

    @property
    def nothing(self) -> bool:
        return self.versions is None and self.images is None


def look(session: Session) -> Contents:
    """What of it is there, and what is in it."""
    images = len(image_sizes(session)) if registry.is_ecr(session.settings) and registry.exists(session) else None
    if not state_bucket.exists(session):
        return Contents(None, images=images)
    found = list(versions(session))
    present = {each["Key"] for each in found if each["IsLatest"] and "Size" in each}
    strange = sorted(key for key in present if _is_strange(session, key))
    return Contents(len(found), sum(each.get("Size", 0) for each in found), tuple(strange), images)


def still_used(session: Session) -> dict[str, str]:
    """The key of each state that still holds resources, or cannot be read, and of each lock -> what it holds, in words."""
    if not state_bucket.exists(session):
        return {}
    found = {}
    for key in _keys(session):
        if key.endswith(LOCK):
            found[key] = "somebody works on it: " + ((state_bucket.read_json(session, key) or {}).get("Who") or "not known")
        elif _may_be_a_state(session, key) and (said := _holds(session, key)):
            found[key] = said
    return found


def remove(session: Session) -> list[str]:
    """Remove both for good, the repository first; answers what was removed. Run again, it goes on where it stopped."""
    removed, settings = [], session.settings
    if registry.is_ecr(settings) and registry.exists(session):
        session.client("ecr").delete_repository(repositoryName=settings.project.slug, force=True)
        removed.append(f"image repository {settings.project.slug}")
    if state_bucket.exists(session):
        _empty(session)
        session.client("s3").delete_bucket(Bucket=settings.state_bucket, ExpectedBucketOwner=settings.account)
        removed.append(f"state bucket {settings.state_bucket}")
    return removed


def versions(session: Session) -> Iterator[dict]:
    """Every version of every object, as S3 lists them; a delete marker has no ``Size``."""
    pages = session.client("s3").get_paginator("list_object_versions").paginate(**_bucket(session))
    for page in pages:
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])


def image_sizes(session: Session) -> list[int]:
    """The bytes of each image of the repository."""
    pages = session.client("ecr").get_paginator("describe_images").paginate(repositoryName=session.settings.project.slug)
    return [image.get("imageSizeInBytes", 0) for page in pages for image in page["imageDetails"]]


def _keys(session: Session) -> list[str]:
    pages = session.client("s3").get_paginator("list_objects_v2").paginate(**_bucket(session))
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


def _may_be_a_state(session: Session, key: str) -> bool:
    """A state of a workspace, or of Terraform's default one, this project's or another's."""
    return not key.endswith(RECORDS) and (key.startswith(state_bucket.STATES) or key.endswith(".tfstate")
                                          or key == backend(session.settings)["key"])


def _is_strange(session: Session, key: str) -> bool:
    return not (_may_be_a_state(session, key) or key.endswith((LOCK, *RECORDS)))


def _holds(session: Session, key: str) -> str:
    """What a state holds; empty when that is nothing. What cannot be read as a state counts as one that is in use."""
    try:
        content = state_bucket.read_json(session, key)
        count = len(state_file.parse(content).resources) if content is not None else 0
    except (Failed, ValueError, KeyError, TypeError):
        return "cannot be read as a state"
    return f"{count} resources" if count > 1 else "1 resource" if count else ""


def _empty(session: Session) -> None:
    """Delete every version and marker, page by page. Raises Failed for what AWS keeps, a retention for instance."""
    s3, page = session.client("s3"), []
    for each in versions(session):
        page.append({"Key": each["Key"], "VersionId": each["VersionId"]})
        if len(page) == 1000:  # the most that one call takes
            _delete(s3, session, page)
            page = []
    if page:
        _delete(s3, session, page)


def _delete(s3, session: Session, objects: list[dict]) -> None:
    answer = s3.delete_objects(**_bucket(session), Delete={"Objects": objects, "Quiet": True})
    for error in answer.get("Errors", []):
        raise Failed(f"AWS did not delete {error['Key']} from {session.settings.state_bucket} ({error['Code']}): "
                     f"{error.get('Message', '')}", run=session.settings.command("bootstrap.remove"))


def _bucket(session: Session) -> dict[str, str]:
    return {"Bucket": session.settings.state_bucket, "ExpectedBucketOwner": session.settings.account}
