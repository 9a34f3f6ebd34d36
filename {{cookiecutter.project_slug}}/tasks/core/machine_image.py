"""The AMI of the container instances: the ECS-optimised Amazon Linux 2023 that AWS recommends, pinned per workspace."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from .console import Failed, Refused
from .session import Session, error_code

PARAMETER = "/aws/service/ecs/optimized-ami/amazon-linux-2023{arm}/recommended/image_id"
GRAVITON = re.compile(r"([a-z]+\d+[a-z]*g[a-z]*|a1)\.")  # t4g.small, m7gd.large, c6gn.xlarge; a1 was the first


def architecture(instance_type: str) -> str:
    """``arm64`` or ``x86_64``, from the instance family."""
    return "arm64" if GRAVITON.match(instance_type) else "x86_64"


def recommended(session: Session) -> str:
    """The id that AWS recommends today in this region for the workspace's instance type."""
    arm = "/arm64" if architecture(session.settings.variables["instance_type"]) == "arm64" else ""
    parameter = PARAMETER.format(arm=arm)
    try:
        return session.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            raise Failed(f"{session.settings.region} has no {parameter}: is it a region with ECS?") from None
        raise


def require_fitting(session: Session, image: str) -> None:
    """Raise Refused (3) when the pinned AMI is of another architecture than the instance type: AWS says so too late."""
    wanted = architecture(session.settings.variables["instance_type"])
    found = _look(session, image)
    if found and found["Architecture"] != wanted:
        raise Refused(f"{image} is for {found['Architecture']}, and the workspace's instance type is {wanted}. "
                      f'Set aws_ami = "" in {session.settings.tfvars.name} and pin another.',
                      run=session.settings.command("bootstrap"))


def age_in_days(session: Session, image: str) -> int | None:
    """How old a pinned AMI is; None when AWS does not know it (any more)."""
    found = _look(session, image)
    if found is None or not found.get("CreationDate"):
        return None
    created = datetime.fromisoformat(found["CreationDate"].replace("Z", "+00:00"))
    return (datetime.now(timezone.utc) - created).days


def _look(session: Session, image: str) -> dict | None:
    """What AWS says of an AMI; None when it does not know it (any more)."""
    try:
        found = session.client("ec2").describe_images(ImageIds=[image])["Images"]
    except Exception as error:
        if error_code(error).startswith("InvalidAMIID"):
            return None
        raise
    return found[0] if found else None
