"""ECS's tasks: which run, how one ended, and what it said last. Services and deployments are in containers.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from . import diagnosis, log_groups
from .session import Session
from .settings import Settings

LAST_LINES = 200  # of a log, to find the cause in: a traceback of OWS alone has 70
SHOWN_LINES = 8
PAGE = 100  # tasks that one call may ask for
START_LINES = 60  # of a log: OWS has 45 before its first request
LATE = 4  # seconds that a line may take to reach CloudWatch


@dataclass(frozen=True)
class Container:
    """``exit_code`` is None while it runs, and when it never did; then ``reason`` says why."""

    name: str
    exit_code: int | None
    reason: str


@dataclass(frozen=True)
class Task:
    """One task. ``status`` is ECS's last status: PROVISIONING, PENDING, ACTIVATING, RUNNING … STOPPED.

    group  ``service:NAME`` of a task that a service runs; of any other its family, or what its caller chose
    """

    arn: str
    definition: str
    status: str
    stop_code: str
    stopped_reason: str
    started_by: str
    command: tuple[str, ...]
    created_at: datetime | None
    containers: tuple[Container, ...]
    group: str = ""

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def stopped(self) -> bool:
        return self.status == "STOPPED"

    @property
    def of_a_service(self) -> bool:
        return self.group.startswith("service:")

    @property
    def failed(self) -> bool:
        """Whether it ended by itself and badly. ECS stopping it for a scale-in or a newer deployment is no failure."""
        if not self.stopped:
            return False
        if self.stop_code in ("TaskFailedToStart", "EssentialContainerExited"):
            return True
        return "health check" in self.stopped_reason.lower() or any(container.reason for container in self.containers)

    def exit_code(self, name: str | None = None) -> int | None:
        """That of the container, or of the first one that ended badly."""
        codes = [container.exit_code for container in self.containers if name in (None, container.name)]
        return next((code for code in codes if code), codes[0] if codes else None)

    @property
    def why(self) -> str:
        """Why it stopped, in ECS's words, with the exit code: what `diagnosis` reads, too."""
        code = self.exit_code()
        said = [self.stopped_reason, *(container.reason for container in self.containers)]
        if code is not None:
            said.append(f"exit code {code}")
        return "; ".join(dict.fromkeys(text.strip().rstrip(".") for text in said if text)) or "ECS gave no reason"


@dataclass(frozen=True)
class Ending:
    """A task that stopped: why, its last log lines, and what they mean when that is known."""

    task: Task
    lines: tuple[str, ...]
    diagnosis: diagnosis.Diagnosis | None

    @classmethod
    def of(cls, task: Task, lines: list[str], settings: Settings, service: str = "") -> Ending:
        """``service``: the chamber service that it read, unless that is the services' own."""
        last = tuple(lines[-LAST_LINES:])
        return cls(task, last, diagnosis.explain(last, task.why, settings, service))

    @property
    def understood(self) -> bool:
        return self.diagnosis is not None and not self.diagnosis.vague

    @property
    def cause(self) -> str:
        """One sentence: the cause if it is known, else ECS's words."""
        return self.diagnosis.cause if self.diagnosis else f"The task stopped: {self.task.why}."

    @property
    def told(self) -> str:
        """The cause, ECS's words and the last log lines."""
        said = [self.cause]
        if self.diagnosis:
            said.append(f"Task {self.task.id} stopped: {self.task.why}.")
        if self.lines:
            said.append("It last said:")
            said += [f"  {line}" for line in self.lines[-SHOWN_LINES:]]
        return "\n".join(said)


def describe(session: Session, cluster: str, arns: Iterable[str]) -> list[Task]:
    """The tasks, as far as ECS still knows them (a stopped one for about an hour)."""
    arns, ecs = list(arns), session.client("ecs")
    found: list[dict] = []
    for start in range(0, len(arns), PAGE):
        found += ecs.describe_tasks(cluster=cluster, tasks=arns[start:start + PAGE])["tasks"]
    return [of(each) for each in found]


def find(session: Session, cluster: str, status: str = "RUNNING", **narrowed: str) -> list[Task]:
    """Tasks of a cluster, newest first. ``status`` is the desired one, RUNNING (which a starting task has, too) or STOPPED;
    ``narrowed`` is serviceName or family."""
    ecs, arns, token = session.client("ecs"), [], {}
    while True:
        page = ecs.list_tasks(cluster=cluster, desiredStatus=status, **narrowed, **token)
        arns += page["taskArns"]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    tasks = describe(session, cluster, arns)
    return sorted(tasks, key=lambda task: task.created_at.timestamp() if task.created_at else 0, reverse=True)


def log_of(session: Session, task: Task, container: str | None = None) -> tuple[str, str] | None:
    """Log group and stream of a task's container (default: its first); None when it does not log to CloudWatch."""
    definition = definition_of(session, task.definition)
    for each in definition["containerDefinitions"]:
        options = each.get("logConfiguration", {}).get("options", {})
        if container in (None, each["name"]) and options.get("awslogs-group"):
            return options["awslogs-group"], f"{options.get('awslogs-stream-prefix', '')}/{each['name']}/{task.id}"
    return None


def definition_of(session: Session, arn: str) -> dict:
    return session.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]


def last_lines(session: Session, task: Task, container: str | None = None) -> list[str]:
    """What a task said last; nothing when it has not begun, or does not log to CloudWatch."""
    place = log_of(session, task, container)
    return log_groups.last(session, *place, count=LAST_LINES) if place else []


def complaint(session: Session, cluster: str, service: dict, since: float) -> diagnosis.Diagnosis | None:
    """What a service's running tasks say is wrong; None when they say nothing that we know.

    service  as the outputs tell of it;  since  seconds since 1970
    What they have said since then counts, and next what they said as they started: a layer that was not loaded then is
    not tried again, and nobody speaks of it later.
    """
    deadline = time.monotonic() + LATE
    while True:
        said = [event["message"] for event in log_groups.search(session, service["log_group"], int(since * 1000))]
        known = diagnosis.explain(said, "", session.settings)
        if known:
            return known
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    places = [log_of(session, task) for task in find(session, cluster, serviceName=service["service"])]
    said = [line for place in places if place for line in log_groups.first(session, *place, START_LINES)]
    return diagnosis.explain(said, "", session.settings)


def ending(session: Session, task: Task) -> Ending:
    """How a stopped task of a service ended. Its last lines reach CloudWatch a moment after it: they are waited for."""
    lines: list[str] = []
    if task.stop_code != "TaskFailedToStart":  # what never started has said nothing
        lines = _settled(lambda: last_lines(session, task))
    return Ending.of(task, lines, session.settings)


def _settled(read: Callable[[], list[str]], tries: int = 3, pause: float = 1) -> list[str]:
    """What a log holds when it does not grow any more."""
    lines = read()
    for _ in range(tries):
        time.sleep(pause)
        before, lines = lines, read()
        if lines and lines == before:
            break
    return lines


def of(each: dict) -> Task:
    """A task as RunTask and DescribeTasks tell of it."""
    overrides = each.get("overrides", {}).get("containerOverrides", [])
    return Task(
        arn=each["taskArn"],
        definition=each["taskDefinitionArn"],
        status=each["lastStatus"],
        stop_code=each.get("stopCode", ""),
        stopped_reason=each.get("stoppedReason", ""),
        started_by=each.get("startedBy", ""),
        command=tuple(overrides[0].get("command", ())) if overrides else (),
        created_at=each.get("createdAt"),
        containers=tuple(
            Container(container["name"], container.get("exitCode"), container.get("reason", ""))
            for container in each.get("containers", [])
        ),
        group=each.get("group", ""),
    )
