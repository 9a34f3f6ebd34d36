"""The image registry, where the project's images live: ECR asked through boto3, any other through the Docker engine.

A tag of ours names what is inside, so it is pushed once: its first digest stays its digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from . import content, images, references
from .console import BadInput, Failed, Interrupted, Refused, TaskError
from .images import EngineError, NoEngine
from .references import Reference
from .session import SIGN_IN, Session, error_code
from .settings import Settings
from .state_bucket import marks

ECR = "ecr"
IMAGES_KEPT = 1000  # by count, not by age: a digest that still runs may be old, and all workspaces push here
SOON = 50  # an image with fewer than so many pushes left before it expires
LISTS = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]

UNAUTHORIZED = re.compile(r"unauthorized|no basic auth credentials|authentication required|incorrect username or password"
                          r"|authorization token has expired", re.IGNORECASE)
DENIED = re.compile(r"denied|forbidden|not authorized", re.IGNORECASE)
NO_REPOSITORY = re.compile(r"name unknown|repository .*(does not exist|not found)|repository name not known", re.IGNORECASE)
NO_ROOM = re.compile(r"no space left|insufficient storage|disk quota", re.IGNORECASE)
SILENT = re.compile(r"connection (refused|reset)|no such host|timeout|EOF|broken pipe|unreachable|server misbehaving"
                    r"|use of closed network|bad gateway|service unavailable", re.IGNORECASE)
INSIDE = re.compile(r"internal server error", re.IGNORECASE)
TAKEN = re.compile(r"tag.* already exists|immutable", re.IGNORECASE)
HELPER = re.compile(r"credentials store error.*?(docker-credential-[\w.-]+|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Expiring:
    """A digest that a live task definition uses and that ECR has deleted, or will soon.

    gone     it is not in the repository any more: a task that starts elsewhere cannot pull it
    newer    how many images are newer; at IMAGES_KEPT it is deleted. 0 when it is gone
    """

    digest: str
    gone: bool
    newer: int


@dataclass(frozen=True)
class Pushed:
    """An image in the registry, as ``repository@sha256:…``. ``made`` is False when it was there already."""

    image: str
    made: bool


def is_ecr(settings: Settings) -> bool:
    return settings.project.image_repository == ECR


def repository(settings: Settings) -> str:
    """The repository's address without tag or digest."""
    if not is_ecr(settings):
        return settings.project.image_repository
    suffix = ".cn" if settings.region.startswith("cn-") else ""
    return f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com{suffix}/{settings.project.slug}"


def needs_aws(settings: Settings) -> bool:
    """Whether AWS is asked for the project's images: its own ECR, or another account's by its address."""
    return is_ecr(settings) or references.read(repository(settings)).ecr is not None


def exists(session: Session) -> bool:
    """Whether the ECR repository is there."""
    try:
        session.client("ecr").describe_repositories(repositoryNames=[session.settings.project.slug])
    except Exception as error:
        if error_code(error) != "RepositoryNotFoundException":
            raise
        return False
    return True


def ensure(session: Session) -> bool:
    """Make the ECR repository if there is none: tags that never move, scanned on push; answers whether it was made."""
    ecr, name = session.client("ecr"), session.settings.project.slug
    made = not exists(session)
    if made:
        ecr.create_repository(
            repositoryName=name,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            tags=marks(session),
        )
    # each time: who made the repository may have been killed before this
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [{
        "rulePriority": 1,
        "description": f"Keep the {IMAGES_KEPT} newest images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT},
        "action": {"type": "expire"},
    }]}))
    return made


def digest(session: Session, tag: str) -> str | None:
    """The digest that a tag has in the project's repository; None when it is not there.

    Raises Refused without a repository; Failed when the registry does not answer or refuses, NoEngine (not for ECR).
    """
    return _digest(session, Reference(repository(session.settings), tag=tag))


def resolve(session: Session, text: str) -> str:
    """``repository@sha256:…`` of an image in any registry. Raises BadInput when it is not there or cannot run here.

    A digest is taken as it is: it cannot mean another image tomorrow. In ECR, whether it can run here is checked of an image
    for several platforms; of one for a single platform, ECR's own answers do not tell.
    """
    reference = references.read(text)
    if reference.digest:
        return reference.pinned(reference.digest)
    if not reference.tag:
        raise BadInput(f"{text} names no tag: latest may mean another image every day. Say one, for example {text}:1.0.")
    found = _digest(session, reference)
    if found is None:
        raise BadInput(f"There is no image {text} in the registry.")
    return reference.pinned(found)


def push(session: Session, tag: str, on_progress: Callable[[dict], None]) -> Pushed:
    """Push the built image; answers its digest as it was read back. A tag that is there is left alone.

    on_progress  gets the engine's events: ``status``, a layer's ``id``, ``progressDetail`` with ``current``, ``total``
    Raises Refused when there is nothing to push or nowhere to, Failed with the registry's refusal, Interrupted.
    """
    settings = session.settings
    require_real(settings)
    target = Reference(repository(settings), tag=tag)
    found = _digest(session, target, pushing=True)
    if found:
        return Pushed(target.pinned(found), made=False)
    built = images.require_built(settings)
    try:
        return Pushed(target.pinned(_push(session, target, built.id, on_progress)), made=True)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: nothing is pinned. What has reached the registry stays there, and the next push "
                          "goes on from it.", run=settings.command("docker.push")) from None


def require_real(settings: Settings) -> None:
    """Raise Refused (3) when the registry is the embedded AWS's, which records images and keeps none."""
    if settings.is_local and needs_aws(settings):
        raise Refused("The embedded AWS has no registry to push to; in workspace local deploy takes the image from the "
                      "Docker engine.", run="invoke deploy")


def pushed_at(session: Session, text: str) -> datetime | None:
    """When a pinned image came to be: its push to ECR, else the build as the engine here knows it. None if unknown."""
    reference = references.read(text)
    if reference.ecr:
        found = _describe(session, reference)
        return found["imagePushedAt"] if found else None
    try:
        image = images.find(text)
    except (EngineError, NoEngine):
        return None
    return image.created if image else None


def tags(session: Session, text: str) -> list[str]:
    """The tags of a pinned image, as far as they can be known: ECR tells, of others only the engine here."""
    reference = references.read(text)
    if reference.ecr:
        found = _describe(session, reference)
        return sorted(found.get("imageTags") or []) if found else []
    return images.tags(text)


def expiring(session: Session, running: set[str]) -> list[Expiring]:
    """Those of the running digests (``sha256:…``) that ECR has deleted, or will after a few more pushes.

    running  digests of the project's own repository only: any other's would count as gone
    """
    pages = session.client("ecr").get_paginator("describe_images").paginate(repositoryName=session.settings.project.slug)
    newest_first = _by_age([image for page in pages for image in page["imageDetails"]])
    newer = {image["imageDigest"]: number for number, image in enumerate(newest_first)}
    found = [Expiring(each, each not in newer, newer.get(each, 0)) for each in sorted(running)]
    return [each for each in found if each.gone or each.newer >= IMAGES_KEPT - SOON]


def _by_age(found: list[dict]) -> list[dict]:
    return sorted(found, key=lambda image: image["imagePushedAt"], reverse=True)


def _digest(session: Session, reference: Reference, pushing: bool = False) -> str | None:
    if reference.ecr:
        found = _describe(session, reference)
        if found is None:
            return None
        _require_fitting(session.settings, reference, _platforms(session, reference, found))
        return found["imageDigest"]
    try:
        found = images.distribution(str(reference))
    except EngineError as error:
        raise _explain(session.settings, reference, error.message, pushing) from None
    if found is None:
        return None
    _require_fitting(session.settings, reference, found.get("Platforms") or [])
    return found["Descriptor"]["digest"]


def _describe(session: Session, reference: Reference) -> dict | None:
    """What ECR knows of an image; None when it has none. Raises Refused without the repository."""
    account, region, name = reference.ecr
    wanted = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag}
    try:
        found = session.client("ecr", region).describe_images(
            registryId=account, repositoryName=name, imageIds=[wanted])["imageDetails"]
    except Exception as error:
        if error_code(error) == "ImageNotFoundException":
            return None
        if error_code(error) == "RepositoryNotFoundException":
            raise Refused(f"ECR has no repository {name} in account {account}, {region}.",
                          run=session.settings.command("bootstrap")) from None
        raise
    return found[0] if found else None


def _platforms(session: Session, reference: Reference, described: dict) -> list[dict]:
    """The platforms that an image in ECR names; none for a single one, which stands in its configuration's blob, or for who
    may not ask (ecr:BatchGetImage).

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
    """
    if described.get("imageManifestMediaType") not in LISTS:
        return []
    account, region, name = reference.ecr
    try:
        found = session.client("ecr", region).batch_get_image(
            registryId=account, repositoryName=name, imageIds=[{"imageDigest": described["imageDigest"]}],
            acceptedMediaTypes=LISTS)["images"]
    except Exception as error:
        if error_code(error) == "AccessDeniedException":
            return []
        raise
    return [each.get("platform") or {} for image in found for each in json.loads(image["imageManifest"])["manifests"]]


def _require_fitting(settings: Settings, reference: Reference, platforms: list[dict]) -> None:
    """Raise BadInput when an image is for other machines than the workspace's."""
    found = {content.known(each.get("architecture", "")) for each in platforms} - {"", "unknown"}
    wanted = content.architecture(settings)
    if found and wanted not in found:
        raise BadInput(f"{reference} is for {', '.join(sorted(found))}, and workspace {settings.workspace} runs {wanted}.")


def _push(session: Session, target: Reference, built: str, on_progress: Callable[[dict], None]) -> str:
    images.tag(built, target.repository, target.tag)
    login = _ecr_login(session, target) if target.ecr else None
    sent = None
    try:
        for event in images.push(target.repository, target.tag, login):
            on_progress(event)
            if "error" in event:
                raise EngineError((event.get("errorDetail") or {}).get("message") or event["error"])
            sent = (event.get("aux") or {}).get("Digest", sent)
    except EngineError as error:
        if not TAKEN.search(error.message):  # somebody else pushed the same content meanwhile: theirs is the first
            raise _explain(session.settings, target, error.message, pushing=True) from None
        sent = None
    found = _digest(session, target, pushing=True)
    if found is None or (sent and found != sent):
        raise Failed(f"{target} was pushed as {sent}, but {target.host} answers {found or 'that it is not there'}. "
                     "Nothing is pinned.", run=session.settings.command("docker.push"))
    return found


def _ecr_login(session: Session, target: Reference) -> dict[str, str]:
    """ECR's password of the next twelve hours. It goes from AWS to the engine and is kept nowhere."""
    account, region, _ = target.ecr
    [data] = session.client("ecr", region).get_authorization_token(registryIds=[account])["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}


def _explain(settings: Settings, target: Reference, message: str, pushing: bool = False) -> TaskError:
    """A registry's refusal as a sentence that says whose turn it is; while pushing also that the push changed no pin."""
    again, outcome = (settings.command("docker.push"), " Nothing is pinned.") if pushing else (None, "")
    said = " ".join(message.split())
    login = SIGN_IN if target.ecr else f"docker login {target.host}"
    helper = HELPER.search(said)
    if helper:
        return Failed(f"Docker's own configuration hands the login for {target.host} to {helper[1] or 'a helper'}, which "
                      f"does not work here: {said}", run=login)
    if NO_ROOM.search(said):
        return Failed(f"{target.host} has no room left: {said}", run=again)
    if UNAUTHORIZED.search(said):
        return Failed(f"{target.host} refuses the login: {said}", run=login)
    if NO_REPOSITORY.search(said):
        return Failed(f"{target.host} has no repository {target.repository.partition('/')[2]}: {said}",
                      run=settings.command("bootstrap") if target.ecr else None)
    if DENIED.search(said):
        return Failed(f"{target.host} does not let this login use {target.repository}: {said}", run=login)
    if INSIDE.search(said):
        return Failed(f"{target.host} failed inside, as one does whose disk is full; its own log says why: {said}."
                      f"{outcome}", run=again)
    if SILENT.search(said):
        return Failed(f"{target.host} does not answer, or not any more: {said}.{outcome}", run=again)
    return Failed(f"{target.host} refused {target}: {said}", run=again)
