"""Services and their deployments, as ECS tells of them: a roll-back cannot be asked for, nor a target that fails."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

OLD, NEW, NEWER = (f"arn:aws:ecs:ap-southeast-2:000000000000:task-definition/small-ows:{number}" for number in (1, 2, 3))
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def deployment(
    id: str, definition: str, state: str | None = "IN_PROGRESS", running: int = 0, desired: int = 2, **more
) -> dict:
    """As DescribeServices tells of it; the number in the id is its time."""
    known = {"rolloutState": state} if state else {}
    return {
        "id": id,
        "taskDefinition": definition,
        "runningCount": running,
        "desiredCount": desired,
        "createdAt": START + timedelta(minutes=int(id[-1])),
        **known,
        **more,
    }


def service(*deployments: dict, status: str = "ACTIVE", events: tuple[str, ...] = (), **more) -> dict:
    return {
        "serviceName": "ows",
        "status": status,
        "desiredCount": 2,
        "runningCount": sum(d["runningCount"] for d in deployments),
        "deployments": list(deployments),
        "events": [{"message": message} for message in events],
        **more,
    }


OLD_RUNS = deployment("d-1", OLD, "COMPLETED", running=2)
NEW_STARTS = deployment("d-2", NEW)
NEW_RUNS = deployment("d-2", NEW, "COMPLETED", running=2)


def answers(*services: dict | None) -> list[dict]:
    return [{"services": [each] if each else []} for each in services]
