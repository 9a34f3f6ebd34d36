"""ECS's record of how the deployments of a service ended. A roll-back is over in seconds when tasks end at once, and a
service that is back at what it ran before looks as if nothing had ever happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .session import Session, error_code

LATELY = timedelta(minutes=15)


@dataclass(frozen=True)
class RolledBack:
    """A deployment that is over; ``begun`` (UTC) is when it was made: older tasks were not its own."""

    arn: str
    begun: datetime


def rolled_back_lately(session: Session, cluster: str, service: str) -> RolledBack | None:
    """The service's last deployment when that was rolled back and not long ago; else None.

    None also for who may not look (ecs:ListServiceDeployments): what then counts is the service as it is.
    """
    try:
        listed = session.client("ecs").list_service_deployments(cluster=cluster, service=service)["serviceDeployments"]
    except Exception as error:
        if error_code(error) in ("AccessDeniedException", "ServiceNotFoundException"):
            return None
        raise
    if not listed:
        return None
    last = max(listed, key=lambda made: made["createdAt"])
    recent = datetime.now(timezone.utc) - last["createdAt"] < LATELY
    if not last["status"].startswith("ROLLBACK") or not recent:
        return None
    return RolledBack(last["serviceDeploymentArn"], last["createdAt"])
