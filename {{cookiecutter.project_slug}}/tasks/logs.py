"""What the containers say: the logs of services and jobs, several at once, in the order of time."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field

from .core import console, ecs_tasks, jobs, log_groups
from .core.console import BadInput
from .core.log_groups import Line
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task
from .service import NAMED, Stack, deployed

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
POLL = 2  # seconds


@task(help={
    **WORKSPACE, **JSON, **ENDPOINT, **NAMED,
    "since": "how far back: a number and s, m, h or d, for example 10m or 2h",
    "filter": "only lines that match this filter pattern of CloudWatch Logs, for example ERROR or '\"GET /ping\"'",
    "follow": "go on until Ctrl-C",
    "job": "a job instead of services: admin (init-db, schema, products, index, ranges) or one of the workspace's",
})
def tail(context, follow=False, json=False, service="", since="10m", filter="", job="", workspace=None,
         endpoint_from_env=False):
    """Show what services and jobs have said lately, oldest first; with --follow what they go on saying, until Ctrl-C.

    ECS knows for about an hour which of the image's jobs a task ran; older lines of theirs are shown as admin's.
    """
    begun = int((time.time() - seconds(since)) * 1000)
    if follow and json:
        raise BadInput("--json is one object and --follow has no end: say one of them.")
    stack = deployed(workspace, endpoint_from_env)
    speakers = _speakers(stack, service, job)
    reading = log_groups.Tail(stack.session, tuple(speakers.groups), begun, filter, speakers.prefix)
    if json:
        return emit(stack.session.settings, {"lines": [
            {"at": line.at.isoformat(timespec="milliseconds"), "service": name, "task": line.task, "message": line.text}
            for name, line in speakers.name(reading.read())]})
    found = False
    while True:
        for name, line in speakers.name(reading.read()):
            found = True
            console.show(f"{line.at:%H:%M:%S} {name:{speakers.width}} {line.task[:8]} {line.text}",
                         speakers.style(line) if console.on_terminal(sys.stdout) else "")
        if not follow:
            break
        time.sleep(POLL)
    if not found:
        console.say(f"Nothing was said since {since} ago by {', '.join(speakers.groups.values())}.")


def seconds(since: str) -> int:
    """``10m`` in seconds. Raises BadInput."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", since.strip())
    if not found:
        raise BadInput(f"--since {since!r}: a number and s, m, h or d was expected, for example 10m.")
    return int(found[1]) * UNITS[found[2]]


@dataclass
class _Speakers:
    """Whose lines are wanted.

    groups  log group -> the service, or the job, that was asked for
    prefix  how the streams begin that are meant
    """

    stack: Stack
    groups: dict[str, str]
    prefix: str = ""

    @property
    def width(self) -> int:
        return max(map(len, self.groups.values()))

    def style(self, line: Line) -> str:
        return COLOURS[list(self.groups).index(line.group) % len(COLOURS)] if len(self.groups) > 1 else ""

    def name(self, lines: list[Line]) -> list[tuple[str, Line]]:
        """Each line with the name of who said it."""
        return [(self.groups[line.group], line) for line in lines]


@dataclass
class _Administration(_Speakers):
    """The image's own jobs, which share one log: only ECS knows which of them a task ran, and only for about an hour."""

    ran: dict[str, str] = field(default_factory=dict)  # task -> job

    @property
    def width(self) -> int:
        return max(map(len, jobs.OWN))

    def name(self, lines: list[Line]) -> list[tuple[str, Line]]:
        """Those of the wanted job, and those of tasks that ECS has forgotten: they may be its own."""
        new = sorted({line.task for line in lines} - self.ran.keys())
        known = {task.id: task for task in ecs_tasks.describe(self.stack.session, self.stack.cluster, new)}
        self.ran |= {id: known[id].command[-1] if id in known and known[id].command else jobs.ADMIN for id in new}
        [wanted] = self.groups.values()
        named = [(self.ran[line.task], line) for line in lines]
        return [(name, line) for name, line in named if wanted == jobs.ADMIN or name in (wanted, jobs.ADMIN)]


def _speakers(stack: Stack, services: str, job: str) -> _Speakers:
    """Raises BadInput."""
    if not job:
        return _Speakers(stack, {made["log_group"]: key for key, made in stack.services(services).items()})
    if services:
        raise BadInput("Say services or a --job, not both.")
    known = stack.outputs.get("jobs", {})
    name = job if job in known else jobs.ADMIN
    if name not in known or job not in (name, *jobs.OWN):
        raise BadInput(f"There is no job {job} (there are: {', '.join([*jobs.OWN, *sorted(known)])}).")
    made = known[name]
    kind = _Administration if name == jobs.ADMIN else _Speakers
    return kind(stack, {made["log_group"]: job}, f"{made['container']}/{made['container']}/")
