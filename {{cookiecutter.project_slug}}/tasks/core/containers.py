"""ECS, and only ECS: the services of a workspace, and whether the deployment that was just made really runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .console import TookTooLong, WentWrong
from .session import Session

POLL = 3  # seconds; AWS's own waiter looks every 15
LIMIT = 20 * 60


@dataclass(frozen=True)
class Deployment:
    """One deployment of a service. ``state`` is ECS's rollout state: IN_PROGRESS, COMPLETED or FAILED."""

    id: str
    task_definition: str
    state: str
    reason: str
    desired: int
    running: int
    failed: int


@dataclass(frozen=True)
class Service:
    """A service as ECS tells of it; ``deployments`` newest first."""

    name: str
    status: str
    desired: int
    running: int
    deployments: tuple[Deployment, ...]
    events: tuple[str, ...]

    def deployment_of(self, task_definition: str) -> Deployment | None:
        return next((made for made in self.deployments if made.task_definition == task_definition), None)

    def deployment(self, id: str) -> Deployment | None:
        return next((made for made in self.deployments if made.id == id), None)


def describe(session: Session, cluster: str, name: str) -> Service | None:
    """The service; None when the cluster has no active one of that name."""
    answer = session.client("ecs").describe_services(cluster=cluster, services=[name])
    found = [service for service in answer["services"] if service["status"] != "INACTIVE"]
    if not found:
        return None
    service = found[0]
    deployments = sorted(service.get("deployments", []), key=lambda made: made["createdAt"], reverse=True)
    return Service(
        name=service["serviceName"],
        status=service["status"],
        desired=service["desiredCount"],
        running=service["runningCount"],
        deployments=tuple(_deployment(made) for made in deployments),
        events=tuple(event["message"] for event in service.get("events", [])[:5]),
    )


def _deployment(made: dict) -> Deployment:
    return Deployment(
        id=made["id"],
        task_definition=made["taskDefinition"],
        # without a circuit breaker ECS tells no rollout state; then the counts decide
        state=made.get("rolloutState") or ("COMPLETED" if made["runningCount"] == made["desiredCount"] else "IN_PROGRESS"),
        reason=made.get("rolloutStateReason", ""),
        desired=made["desiredCount"],
        running=made["runningCount"],
        failed=made.get("failedTasks", 0),
    )


def restart_if_given_up(session: Session, cluster: str, name: str, task_definition: str) -> bool:
    """Start a deployment anew that ECS has given up; answers whether it was.

    A first deployment that failed has nothing to go back to: it stays failed, nothing starts any more, and no plan
    of Terraform's would change that.
    """
    service = describe(session, cluster, name)
    made = service.deployment_of(task_definition) if service else None
    if made is None or made.state != "FAILED":
        return False
    session.client("ecs").update_service(cluster=cluster, service=name, forceNewDeployment=True)
    return True


def wait_until_deployed(session: Session, cluster: str, name: str, task_definition: str,
                        on_progress: Callable[[Service], None], limit: int = LIMIT, poll: float = POLL) -> Service:
    """Follow the deployment of a task definition, by its id, until ECS calls it completed.

    A service that is stable again after a rollback has not been deployed: that raises WentWrong (5), as does a
    deployment that failed or was replaced by another one. Raises TookTooLong (6) after ``limit`` seconds.
    """
    deadline = time.monotonic() + limit
    followed: str | None = None
    while True:
        service = describe(session, cluster, name)
        if service is None:
            raise WentWrong(f"There is no service {name} in cluster {cluster}.", run=session.settings.command("deploy"))
        on_progress(service)
        made = service.deployment(followed) if followed else service.deployment_of(task_definition)
        if made is None:
            raise WentWrong(_rolled_back(service, task_definition))
        followed = made.id
        if made.state == "FAILED":
            raise WentWrong(_rolled_back(service, task_definition, made.reason))
        if made.state == "COMPLETED" and made.running >= made.desired:
            return service
        if time.monotonic() > deadline:
            raise TookTooLong(
                f"{name}: {made.running} of {made.desired} tasks run after {limit // 60} minutes. "
                f"ECS last said: {_last_word(service)}", run=session.settings.command("deploy"))
        time.sleep(poll)


def _rolled_back(service: Service, task_definition: str, reason: str = "") -> str:
    wanted = task_definition.rpartition("/")[2]
    runs = service.deployments[0].task_definition.rpartition("/")[2] if service.deployments else "nothing"
    return (f"{service.name} was not deployed: {wanted} failed and {runs} is in its place. "
            f"{reason or _last_word(service)}")


def _last_word(service: Service) -> str:
    return service.events[0] if service.events else "nothing"
