"""ECS's services: what runs, and whether the deployment that was just made really runs.

A service that is stable is not a service that was deployed: after a roll-back ECS calls it stable, too. So a deployment is
followed by its id, with its targets' health, ECS's events, and what its failing tasks said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from . import diagnosis, ecs_tasks, targets
from .console import TaskError, TookTooLong, WentWrong
from .ecs_tasks import Ending
from .service_deployments import RolledBack
from .session import Session

POLL = 3  # seconds; AWS's own waiter looks every 15
LIMIT = 20 * 60
GIVEN_UP = 3  # tasks that may end badly once ECS calls a deployment completed: its circuit breaker counts no more

Say = Callable[[str], None]


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
    created_at: datetime | None = None


@dataclass(frozen=True)
class Event:
    """What ECS says of a service. ``at`` is UTC."""

    id: str
    at: datetime | None
    text: str


@dataclass(frozen=True)
class Service:
    """A service as ECS tells of it; ``deployments`` and ``events`` newest first; ``health`` only where it was asked for."""

    name: str
    status: str
    desired: int
    running: int
    deployments: tuple[Deployment, ...]
    events: tuple[Event, ...]
    task_definition: str = ""
    target_groups: tuple[str, ...] = ()
    health: targets.Health = targets.Health()

    def deployment_of(self, task_definition: str) -> Deployment | None:
        return next((made for made in self.deployments if made.task_definition == task_definition), None)

    def deployment(self, id: str) -> Deployment | None:
        return next((made for made in self.deployments if made.id == id), None)


def describe(session: Session, cluster: str, name: str, health: bool = False) -> Service | None:
    """The service; None when the cluster has no active one of that name. ``health``: its targets', too."""
    answer = session.client("ecs").describe_services(cluster=cluster, services=[name])
    found = [service for service in answer["services"] if service["status"] != "INACTIVE"]
    if not found:
        return None
    service = _service(found[0])
    return replace(service, health=targets.health(session, service.target_groups)) if health else service


def _service(service: dict) -> Service:
    deployments = sorted(service.get("deployments", []), key=lambda made: made["createdAt"], reverse=True)
    groups = [each.get("targetGroupArn") for each in service.get("loadBalancers", [])]
    return Service(
        name=service["serviceName"],
        status=service["status"],
        desired=service["desiredCount"],
        running=service["runningCount"],
        deployments=tuple(_deployment(made) for made in deployments),
        events=tuple(Event(event.get("id", ""), event.get("createdAt"), event["message"])
                     for event in service.get("events", [])),
        task_definition=service.get("taskDefinition", ""),
        target_groups=tuple(group for group in groups if group),
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
        created_at=made.get("createdAt"),
    )


def restart(session: Session, cluster: str, name: str) -> str:
    """Replace a service's tasks by new ones of the same task definition; answers the id of that deployment."""
    answer = session.client("ecs").update_service(cluster=cluster, service=name, forceNewDeployment=True)
    return _service(answer["service"]).deployments[0].id


def restart_if_given_up(session: Session, cluster: str, name: str, task_definition: str) -> str | None:
    """Start a deployment anew that ECS has given up; answers the new one's id, None when there was nothing to do.

    A first deployment that failed has nothing to go back to: it stays failed, nothing starts any more, and no plan
    of Terraform's would change that.
    """
    service = describe(session, cluster, name)
    made = service.deployment_of(task_definition) if service else None
    if made is None or made.state != "FAILED":
        return None
    return restart(session, cluster, name)


class Following:
    """One deployment of one service, from the moment that it was made until it is completed, failed or replaced.

    id      of the deployment; found by its task definition when it is not given
    on_say  is told ECS's events and the tasks that end badly, each once
    over    the deployment, when it was rolled back before anybody followed it
    """

    def __init__(self, session: Session, cluster: str, name: str, task_definition: str, id: str | None = None,
                 on_say: Say = lambda text: None, over: RolledBack | None = None):
        self.session, self.cluster, self.name = session, cluster, name
        self.task_definition, self.id, self.say, self._over = task_definition, over.arn if over else id, on_say, over
        self.service: Service | None = None
        self.made: Deployment | None = None
        self.endings: dict[str, Ending] = {}  # by task
        self._events: set[str] = set()
        self._completed_with: int | None = None

    def look(self) -> Service:
        """The service as it is now. Raises WentWrong (5) when the deployment failed, or is no more."""
        service = describe(self.session, self.cluster, self.name, health=True)
        if service is None:
            raise WentWrong(f"There is no service {self.name} in cluster {self.cluster}.",
                            run=self.session.settings.command("deploy"))
        self.service = service
        found = service.deployment(self.id) if self.id else service.deployment_of(self.task_definition)
        self.made = found or self.made
        self._tell()
        if found is None:
            raise self._wrong(self._replaced())
        self.id = found.id
        if found.state == "FAILED":
            raise self._wrong(self._replaced(), found.reason)
        if found.state == "COMPLETED":
            self._completed_with = len(self.endings) if self._completed_with is None else self._completed_with
            if not self.done and len(self.endings) - self._completed_with >= GIVEN_UP:
                raise self._wrong(f"{self.name} was deployed, but its tasks keep ending.")
        return service

    @property
    def done(self) -> bool:
        """Whether ECS calls it completed, all its tasks run, and no target of theirs fails its health check."""
        if self.made is None or self.service is None or self.made.state != "COMPLETED":
            return False
        health = self.service.health
        return self.made.running >= self.made.desired and (not health.unhealthy or health.healthy >= self.made.desired)

    def late(self, limit: float) -> TookTooLong:
        made, health = self.made, self.service.health
        said = [f"{self.name}: {made.running} of {made.desired} tasks run after {limit / 60:.0f} minutes"]
        if health.healthy or health.unhealthy:
            said.append(f", {health.healthy} of them healthy")
        said.append(f". ECS last said: {_last_word(self.service)}")
        known = self._known()
        if known:
            said.append(f"\n{known.cause}")
        return TookTooLong("".join(said), run=known.run if known else self.session.settings.command("service.status"))

    @property
    def _begun(self) -> datetime | None:
        """When the deployment was made, as far as that is known."""
        return self.made.created_at if self.made else self._over.begun if self._over else None

    def _tell(self) -> None:
        """Tell what is new: events since the deployment was made, and its tasks that ended badly."""
        if not self._events and self.done:  # it was over before we looked: what happened then is no news
            self._events.update(event.id for event in self.service.events)
        begun = self._begun
        for event in reversed(self.service.events):
            if event.id and event.id not in self._events:
                self._events.add(event.id)
                if begun and event.at and event.at >= begun:
                    self.say(event.text)
        if self.made is None or (self.made.state == "COMPLETED" and self.made.running >= self.made.desired):
            return
        self._look_at_stopped()

    def _look_at_stopped(self, again: bool = False) -> None:
        """``again``: also at those that were not understood, since the last lines of a log come late."""
        for task in ecs_tasks.find(self.session, self.cluster, "STOPPED", serviceName=self.name):
            known = self.endings.get(task.id)
            if not task.failed or not self._is_ours(task) or (known and (known.understood or not again)):
                continue
            self.endings[task.id] = found = ecs_tasks.ending(self.session, task)
            if known is None or found.cause != known.cause:
                self.say(f"task {task.id[:8]} ended: {found.cause}")

    def _is_ours(self, task: ecs_tasks.Task) -> bool:
        if self.made and task.started_by == self.made.id:
            return True
        begun = self._begun
        return task.definition == self.task_definition and not (begun and task.created_at and task.created_at < begun)

    def _replaced(self) -> str:
        wanted = _revision(self.task_definition)
        others = [made for made in self.service.deployments if made.id != self.id and made.state != "FAILED"]
        if not others:
            return f"{self.name} was not deployed: {wanted} failed, and there is no earlier deployment to go back to."
        before = _revision(others[0].task_definition)
        if before == wanted:
            return f"{self.name} was not started anew: the new tasks of {wanted} failed; the earlier ones run on."
        return f"{self.name} was not deployed: {wanted} failed and {before} is in its place."

    def _wrong(self, sentence: str, reason: str = "") -> WentWrong:
        """The sentence with what is known of the cause: from the tasks that ended badly, else in ECS's own words."""
        self._look_at_stopped(again=True)
        ending, known = self._ending(), self._known()
        said = [sentence]
        if known and not (ending and ending.diagnosis == known):
            said.append(known.cause)
        if ending:
            said.append(ending.told)
        elif not known:
            said.append(reason or _last_word(self.service))
        return WentWrong(" ".join(said), run=known.run if known else self.session.settings.command("logs.tail"))

    def _ending(self) -> Ending | None:
        """The newest ending that we understand, else the newest."""
        return max(self.endings.values(), default=None, key=lambda ending: (
            ending.understood, ending.task.created_at.timestamp() if ending.task.created_at else 0))

    def _known(self) -> diagnosis.Diagnosis | None:
        """What is wrong: from an ending, else from what a task that still runs says, and from targets and events."""
        ending = self._ending()
        if ending and ending.understood:
            return ending.diagnosis
        said = "\n".join([*self.service.health.reasons, *(event.text for event in self.service.events[:5])])
        running = ecs_tasks.find(self.session, self.cluster, serviceName=self.name)
        ours = next((task for task in running if self._is_ours(task)), None)
        lines = ecs_tasks.last_lines(self.session, ours) if ours else []
        found = diagnosis.explain(lines, said, self.session.settings)
        return ending.diagnosis if ending and ending.diagnosis and (not found or found.vague) else found


def wait_for_all(followings: Sequence[Following], on_progress: Callable[[Service], None], limit: float = LIMIT,
                 poll: float = POLL) -> list[Service]:
    """Follow deployments, all at once, until ECS calls them completed and their targets are healthy.

    A service that is stable again after a rollback has not been deployed: that raises WentWrong (5), as does a deployment
    that failed or was replaced by another one; after the others' end. Raises TookTooLong (6) after ``limit`` seconds.
    """
    deadline, going, wrong = time.monotonic() + limit, list(followings), []
    while going:
        for following in list(going):
            try:
                on_progress(following.look())
            except TaskError as error:
                wrong.append(error)
                going.remove(following)
                continue
            if following.done:
                going.remove(following)
        if going and time.monotonic() > deadline:
            wrong += [following.late(limit) for following in going]
            break
        if going:
            time.sleep(poll)
    if wrong:
        raise _together(wrong)
    return [following.service for following in followings]


def _together(errors: list[TaskError]) -> TaskError:
    """One error of several; what went wrong counts for more than what took too long."""
    ordered = sorted(errors, key=lambda error: isinstance(error, TookTooLong))
    return type(ordered[0])("\n".join(error.message for error in ordered), ordered[0].run)


def _revision(task_definition: str) -> str:
    return task_definition.rpartition("/")[2]


def _last_word(service: Service) -> str:
    return service.events[0].text if service.events else "nothing"
