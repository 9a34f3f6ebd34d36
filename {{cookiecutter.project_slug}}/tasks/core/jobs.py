"""One-off jobs as ECS tasks: started once, followed to their end, their exit code believed.

The image's own jobs (init-db, schema, products, index, ranges) run as the stack's job ``admin``; others are the
workspace's ``jobs``. A job prints ``RESULT {json}`` as its last line.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from . import ecs_tasks, embedded_aws, log_groups
from .console import BadInput, Failed, Interrupted, Refused, TookTooLong, WentWrong, say
from .ecs_tasks import Task
from .session import Session

PURPOSE = {  # the image's own jobs, in the order of a first deployment
    "init-db": "the Open Data Cube's schema, its roles, and the services' login roles",
    "schema": "the tables and views of OWS",
    "products": "the products of the workspace",
    "index": "the datasets of the workspace",
    "ranges": "what each layer covers, in space and time",
}
OWN = (*PURPOSE, "update")  # update is index and ranges in one, for the clock
ADMIN = "admin"
LIMIT = 4 * 60 * 60  # an index of many datasets takes hours
POLL = 2
QUIET = 30  # seconds without a word after which a task that waits for a machine is mentioned again
RESULT = "RESULT "

# What RunTask answers instead of a task (`failures`), as a sentence. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
NO_ROOM = {
    "RESOURCE:MEMORY": "no machine of the cluster has enough memory left",
    "RESOURCE:CPU": "no machine of the cluster has enough CPU left",
    "RESOURCE:PORTS": "the port that it wants is taken on every machine of the cluster",
    "RESOURCE:ENI": "no machine of the cluster can take another network interface",
    "RESOURCE:GPU": "no machine of the cluster has a GPU left",
    "AGENT": "the machines' ECS agents are not connected",
    "ATTRIBUTE": "no machine of the cluster is of the kind that it wants (architecture, attributes)",
    "LOCATION": "no machine of the cluster is in the zone that it wants",
    "MISSING": "the cluster has no such machine",
    "INACTIVE": "the machine is being drained",
    "EMPTY CAPACITY PROVIDER": "the cluster's capacity provider has no machine",
}
WAITING = {
    "PROVISIONING": "waits for a machine with room",
    "PENDING": "starts: its image is pulled",
    "ACTIVATING": "starts",
}


@dataclass(frozen=True)
class Job:
    """What is run. ``command`` is None when the task definition has it."""

    name: str
    cluster: str
    task_definition: str
    container: str
    log_group: str
    command: tuple[str, ...] | None

    @property
    def started_by(self) -> str:
        return f"invoke/{self.name}"

    @property
    def family(self) -> str:
        return self.task_definition.rpartition("/")[2].partition(":")[0]

    def is_it(self, task: Task) -> bool:
        """Whether a task of this family runs this job."""
        return self.command is None or task.command == self.command

    def is_given_the_same(self, task: Task) -> bool:
        """Whether it is told what this job is told: another revision may name other datasets, or another image."""
        return task.definition == self.task_definition


def find(outputs: dict, name: str) -> Job:
    """The job of that name: the workspace's own, else the image's. Raises BadInput (4) with the names that there are."""
    known = outputs.get("jobs", {})
    own = name in known and name != ADMIN
    if not own and not (name in OWN and ADMIN in known):
        names = [*OWN, *sorted(set(known) - {ADMIN, *OWN})] if ADMIN in known else sorted(known)
        raise BadInput(f"There is no job {name} (there are: {', '.join(names) or 'none'}).")
    made = known[name if own else ADMIN]
    command = None if own else ("python3", "-m", "ows_jobs", name)
    return Job(name, outputs["cluster"], made["task_definition"], made["container"], made["log_group"], command)


def require_containers(session: Session) -> None:
    """Raise Refused (3) where tasks are recorded and never run: a job would never end."""
    if session.settings.is_local:
        server = embedded_aws.status(session.settings.root)
        if not server.containers:
            reason = getattr(server, "reason", None)
            raise Refused("The embedded AWS records tasks and does not run them, so no job can run here"
                          f"{f': {reason}' if reason else ''}.", run="invoke local.status")


def run(session: Session, outputs: dict, job: str, on_log: Callable[[str], None], limit: float = LIMIT,
        on_state: Callable[[str], None] = say, poll: float = POLL) -> dict:
    """Run a job to its end, or follow it when it runs already; answers the RESULT of its last line ({} without one).

    Raises WentWrong (5) when it fails, TookTooLong (6), Refused (3) where no task runs, BadInput (4) for an unknown job,
    Failed (1) when ECS starts none.
    """
    wanted = find(outputs, job)
    require_containers(session)
    task = _running(session, wanted, on_log, on_state, limit, poll)
    if task is None:
        task = _start(session, wanted, outputs.get("capacity_provider"))
    return _follow(session, _Run(session, wanted, task, on_log, on_state), limit, poll)


def changed(result: dict) -> bool:
    """Whether a job changed anything, by its RESULT. One that did not say (its last lines may be lost) may have."""
    return bool(result.get("changed", True))


def stop(session: Session, outputs: dict, job: str) -> list[str]:
    """Stop a job that runs; answers the ids of the tasks that were stopped."""
    wanted = find(outputs, job)
    stopped = [task for task in ecs_tasks.find(session, wanted.cluster, family=wanted.family) if wanted.is_it(task)]
    for task in stopped:
        session.client("ecs").stop_task(cluster=wanted.cluster, task=task.arn, reason=f"invoke service.run {job} --stop")
    return [task.id for task in stopped]


@dataclass
class _Run:
    """A task that is followed: its log up to now, and what was said of its state."""

    session: Session
    job: Job
    task: Task
    on_log: Callable[[str], None]
    on_state: Callable[[str], None]
    stream: log_groups.Stream | None = None
    lines: list[str] = field(default_factory=list)
    said: str = ""
    said_at: float = 0

    def read(self) -> bool:
        """Hand on what the log has got; answers whether there was anything."""
        if self.stream is None:
            place = ecs_tasks.log_of(self.session, self.task, self.job.container)
            place = place or (self.job.log_group, f"{self.job.container}/{self.job.container}/{self.task.id}")
            self.stream = log_groups.Stream(self.session, *place)
        new = self.stream.read()
        for line in new:
            if not line.startswith(RESULT):
                self.on_log(line)
        self.lines += new
        return bool(new)

    def tell(self) -> None:
        """Say what it waits for, when that is new, and again when it takes long."""
        text = WAITING.get(self.task.status, "")
        again = time.monotonic() - self.said_at > QUIET
        if text and (text != self.said or again):
            self.on_state(f"{self.job.name} {'still ' if text == self.said else ''}{text} (task {self.task.id[:8]})")
            self.said, self.said_at = text, time.monotonic()

    @property
    def result(self) -> dict:
        for line in reversed(self.lines):
            if line.startswith(RESULT):
                try:
                    found = json.loads(line.removeprefix(RESULT))
                except ValueError:
                    return {}
                return found if isinstance(found, dict) else {}
        return {}


def _running(session: Session, job: Job, on_log, on_state, limit: float, poll: float) -> Task | None:
    """The task that runs this very job already. Whatever else runs of its family is waited for: all write one database."""
    for task in ecs_tasks.find(session, job.cluster, family=job.family):
        if job.is_it(task) and job.is_given_the_same(task):
            on_state(f"{job.name} runs already (task {task.id[:8]}); following it.")
            return task
        other = "an earlier one" if job.is_it(task) else task.command[-1] if task.command else "another job"
        on_state(f"{other} still runs (task {task.id[:8]}); {job.name} comes after it.")
        try:
            _follow(session, _Run(session, replace(job, name=other), task, on_log, on_state), limit, poll)
        except WentWrong as wrong:
            on_state(wrong.message)
    return None


def _start(session: Session, job: Job, provider: str | None) -> Task:
    override = {"name": job.container, **({"command": list(job.command)} if job.command else {})}
    # with a capacity provider a task waits for a machine; without one RunTask refuses when there is no room
    where = {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]} if provider else {}
    answer = session.client("ecs").run_task(
        cluster=job.cluster, taskDefinition=job.task_definition, count=1, startedBy=job.started_by, group=f"job:{job.name}",
        overrides={"containerOverrides": [override]}, enableECSManagedTags=True, propagateTags="TASK_DEFINITION",
        clientToken=str(uuid.uuid4()), **where)  # a call that boto3 repeats starts one task all the same
    if not answer["tasks"]:
        raise _not_started(session, job, [each.get("reason", "") for each in answer.get("failures", [])])
    return ecs_tasks.of(answer["tasks"][0])


def _not_started(session: Session, job: Job, reasons: list[str]) -> Failed:
    said = list(dict.fromkeys(NO_ROOM.get(reason.upper(), reason) for reason in reasons)) or ["ECS gave no reason"]
    return Failed(f"The job {job.name} was not started: {'; '.join(said)}.", run=session.settings.command("service.status"))


def _follow(session: Session, run: _Run, limit: float, poll: float) -> dict:
    """Follow a task to its end. However this ends, the job goes on in AWS until it is done."""
    job = run.job
    where = (f"The job {job.name} goes on in AWS (task {run.task.id}).",
             session.settings.command("service.run", job.name) + "  (follows it; --stop ends it)")
    deadline = time.monotonic() + limit
    try:
        while not run.task.stopped:
            run.tell()
            run.read()
            if time.monotonic() > deadline:
                raise TookTooLong(f"The job {job.name} is not done after {limit / 60:.0f} minutes. {where[0]}", run=where[1])
            time.sleep(poll)
            run.task = next(iter(ecs_tasks.describe(session, job.cluster, [run.task.arn])), run.task)
        _read_to_the_end(run, poll)
    except KeyboardInterrupt:
        raise Interrupted(where[0], run=where[1]) from None
    except Exception:
        raise
    except BaseException:  # kill -TERM: the frame around the task turns it into exit code 143
        run.on_state(where[0])
        raise
    return _result(session, run)


def _read_to_the_end(run: _Run, poll: float, tries: int = 5) -> None:
    """The last lines reach CloudWatch a moment after the task's end; RESULT is the last of all."""
    for _ in range(tries):
        new = run.read()
        if run.result or run.task.exit_code(run.job.container) is None:
            return
        if run.job.command is None and run.lines and not new:
            return  # a job of the workspace's own need not print a RESULT
        time.sleep(poll)


def _result(session: Session, run: _Run) -> dict:
    """The job's result. Raises WentWrong (5) unless its container ended with 0."""
    job, code = run.job, run.task.exit_code(run.job.container)
    if code == 0:
        return run.result
    ending = ecs_tasks.Ending.of(run.task, run.lines, session.settings, session.settings.admin_service)
    failed = f"failed with exit code {code}" if code is not None else "did not start"
    more = session.settings.command("logs.tail", "--job", job.name)
    raise WentWrong(f"The job {job.name} {failed}. {ending.told}", run=ending.diagnosis.run if ending.diagnosis else more)
