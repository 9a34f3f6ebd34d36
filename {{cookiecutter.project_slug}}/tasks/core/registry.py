"""The image registry: where the project's images live, and the ECR repository when they live in ECR."""

from __future__ import annotations

import json

from .session import Session, error_code
from .settings import Settings

ECR = "ecr"
IMAGES_KEPT = 1000  # by count, not by age: a digest that still runs may be old, and all workspaces push here


def is_ecr(settings: Settings) -> bool:
    return settings.project.image_repository == ECR


def repository(settings: Settings) -> str:
    """The repository's address without tag or digest."""
    if not is_ecr(settings):
        return settings.project.image_repository
    suffix = ".cn" if settings.region.startswith("cn-") else ""
    return f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com{suffix}/{settings.project.slug}"


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
    if exists(session):
        return False
    ecr, name = session.client("ecr"), session.settings.project.slug
    ecr.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "Created_by", "Value": session.settings.project.slug}],
    )
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [{
        "rulePriority": 1,
        "description": f"Keep the {IMAGES_KEPT} newest images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT},
        "action": {"type": "expire"},
    }]}))
    return True
