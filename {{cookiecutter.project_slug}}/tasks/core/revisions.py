"""Revisions of a service's task definition: what ran before, and whether its image is still there to run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import ecs_tasks, images, references, registry, service_deployments
from .console import BadInput, Refused
from .session import Session

LOOKED_AT = 50  # revisions back


@dataclass(frozen=True)
class Revision:
    """One revision that ECS still starts. ``image`` is its service's container's."""

    number: int
    arn: str
    image: str
    registered_at: datetime | None


def number_of(arn: str) -> int:
    return int(arn.rpartition(":")[2])


def read(session: Session, arn: str, container: str) -> Revision:
    definition = ecs_tasks.definition_of(session, arn)
    containers = definition["containerDefinitions"]
    ours = next((each for each in containers if each["name"] == container), containers[0])
    return Revision(definition["revision"], arn, ours["image"], definition.get("registeredAt"))


def earlier(session: Session, deployed: str, container: str) -> list[Revision]:
    """The active revisions before the deployed one, newest first.

    What was rolled back is no way back: a revision between the deployed image's first one and its last is left out.
    """
    family = deployed.rpartition("/")[2].partition(":")[0]
    pages = session.client("ecs").get_paginator("list_task_definitions").paginate(
        familyPrefix=family, status="ACTIVE", sort="DESC")
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]
            if arn.rpartition("/")[2].partition(":")[0] == family and number_of(arn) < number_of(deployed)]
    arns = sorted(arns, key=number_of, reverse=True)[:LOOKED_AT]
    found = [read(session, arn, container) for arn in arns]
    image = read(session, deployed, container).image
    first = min([each.number for each in found if each.image == image], default=number_of(deployed))
    return [each for each in found if each.number < first]


def choose(session: Session, deployed: str, container: str, number: int | None) -> Revision:
    """The revision of that number, or the newest earlier one that once ran and whose image is still there.

    Raises BadInput (4) when there is no such revision, Refused (3) when no image is left or it is what runs.
    """
    settings = session.settings
    now = read(session, deployed, container)
    if number is not None:
        return _numbered(session, now, container, number)
    found = earlier(session, deployed, container)
    given_up = service_deployments.never_ran(session, settings.name, f"{settings.name}-{container}") if found else set()
    left = [each for each in found if each.arn not in given_up]
    for each in left:
        if image_exists(session, each.image):
            return each
    if left:
        raise Refused(f"None of the images of the {len(left)} earlier revisions is there any more.",
                      run=settings.command("docker.push"))
    if found:
        raise Refused(f"Each earlier revision with another image was rolled back when it was deployed. One of them, all the "
                      f"same: {', '.join(str(each.number) for each in found[:10])}.",
                      run=settings.command("service.rollback", "--to", str(found[0].number)))
    raise Refused(f"There is no revision with another image before {now.arn.rpartition('/')[2]}: there is nothing to go "
                  "back to.", run=settings.command("service.status"))


def _numbered(session: Session, now: Revision, container: str, number: int) -> Revision:
    settings = session.settings
    arn = f"{now.arn.rpartition(':')[0]}:{number}"
    try:
        revision = read(session, arn, container)
    except session.client("ecs").exceptions.ClientException:
        known = ", ".join(str(each.number) for each in earlier(session, now.arn, container)[:10])
        raise BadInput(f"There is no revision {number} (earlier ones with another image: {known or 'none'}).") from None
    if revision.image == now.image:
        raise Refused(f"Revision {number} has the image that is deployed already: {now.image}.",
                      run=settings.command("service.status"))
    if not image_exists(session, revision.image):
        raise Refused(f"The image of revision {number} is not there any more: {revision.image}.",
                      run=settings.command("docker.push"))
    return revision


def image_exists(session: Session, image: str) -> bool:
    """Whether tasks can still be started from an image: asked of ECR, of its registry, and in ``local`` of the engine."""
    reference = references.read(image)
    if session.settings.is_local and _in_engine(image):
        return True
    if reference.ecr:
        return registry.pushed_at(session, image) is not None
    try:
        return images.distribution(image) is not None
    except images.EngineError:
        if session.settings.is_local:
            return False  # it was never in a registry
        raise


def _in_engine(image: str) -> bool:
    try:
        return images.find(image) is not None
    except images.NoEngine:
        return False  # what would run is recorded here
