"""ECS's record of how the deployments of a service ended. A roll-back is over in seconds when tasks end at once, and a
service that is back at what it ran before looks as if nothing had ever happened."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .session import Session, error_code

LATELY = timedelta(minutes=15)


def rolled_back_lately(session: Session, cluster: str, service: str) -> str | None:
    """ARN of the service's last deployment when that was rolled back and not long ago; else None.

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
    return last["serviceDeploymentArn"] if last["status"].startswith("ROLLBACK") and recent else None
