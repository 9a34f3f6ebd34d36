"""Elastic Load Balancing: which targets of a service answer their health check, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .session import Session, error_code

LEAVING = ("draining", "unused")  # of tasks that are being replaced, or of a group that no listener uses


@dataclass(frozen=True)
class Health:
    """Targets by what the load balancer thinks of them.

    healthy    answer their health check
    unhealthy  do not, or not yet
    reasons    of the unhealthy ones, in the load balancer's words, each once
    """

    healthy: int = 0
    unhealthy: int = 0
    reasons: tuple[str, ...] = ()


def health(session: Session, target_groups: Iterable[str]) -> Health:
    """The health of the targets in these groups (ARNs). Targets that are leaving do not count."""
    groups = tuple(target_groups)
    if not groups:
        return Health()
    client = session.client("elbv2")
    healthy, reasons = 0, []
    for group in groups:
        for found in _described(client, group):
            state = found["TargetHealth"]
            if state["State"] == "healthy":
                healthy += 1
            elif state["State"] not in LEAVING:
                reasons.append(state.get("Description") or state.get("Reason") or state["State"])
    return Health(healthy, len(reasons), tuple(dict.fromkeys(reasons)))


def _described(client, group: str) -> list[dict]:
    try:
        return client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    except Exception as error:
        if error_code(error) not in ("TargetGroupNotFound", "TargetGroupNotFoundException"):
            raise
        return []  # destroyed a moment ago
