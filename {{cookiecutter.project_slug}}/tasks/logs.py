"""Logs: what services, jobs, hosts and the database say, in the order of time; and which log groups the state holds."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from . import adoption
from .core import console, ecs_tasks, jobs, log_adoption, log_groups, neighbours
from .core import settings as project
from .core.console import BadInput, Refused, say, show
from .core.log_adoption import LogGroup
from .core.log_groups import Line
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task
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
    "group": "a log group instead, of hosts or database too, by its name or the end of it, such as messages (repeatable)",
}, iterable=["group"])
def tail(context, follow=False, json=False, service="", since="10m", filter="", job="", group=None, workspace=None,
         endpoint_from_env=False):
    """Show what services and jobs have said lately, oldest first; with --follow what they go on saying, until Ctrl-C.

    ECS knows for about an hour which of the image's jobs a task ran; older lines of theirs are shown as admin's.
    """
    begun = int((time.time() - seconds(since)) * 1000)
    if follow and json:
        raise BadInput("--json is one object and --follow has no end: say one of them.")
    stack = deployed(workspace, endpoint_from_env)
    speakers = _groups(stack, group, service or job) if group else _speakers(stack, service, job)
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


@task(help={**WORKSPACE, **YES, **JSON, **ENDPOINT}, name="import")
def import_(context, workspace=None, yes=False, json=False, endpoint_from_env=False):
    """Put log groups that are there into this project's state: those that the configuration wants and the state lacks.

    Every plan does the same by itself. Nothing is changed in the account, neither tags nor retention.
    """
    session = _session(workspace, endpoint_from_env)
    around = neighbours.look(session)
    found = log_adoption.survey(session, adoption.state_of(session), around)
    adoptable = {group.address: group.name for group in found if group.adoptable}
    if not json:
        _show(found)
        adoption.tell_unread(around)
    _require_room(session, found)
    if adoptable:
        console.confirm(f"Import {len(adoptable)} of them into the state of workspace {session.settings.workspace}?", yes)
        adoption.adopt(session, adoptable)
    if json:
        return emit(session.settings, {"imported": list(adoptable), "unread": around.unread, "groups": [
            {"address": group.address, "name": group.name, "exists": group.exists, "owner": group.owner or None,
             "managed": group.managed or group.adoptable, "held_by": [asdict(holder) for holder in group.holders]}
            for group in found]})
    show(f"Imported: {len(adoptable)}." if adoptable else "There is nothing to import.")


@task(help={
    **WORKSPACE, **YES, **ENDPOINT, "group": "only this log group, by its name or the end of it (repeatable; default: all)",
}, iterable=["group"])
def forget(context, group=None, workspace=None, yes=False, endpoint_from_env=False):
    """Take log groups out of this project's state. They stay in the account, with all their lines."""
    session = _session(workspace, endpoint_from_env)
    held = {resource.attributes.get("name") or resource.address: resource.address
            for resource in adoption.state_of(session).of_type(log_adoption.TYPE)}
    if not held:
        return show("This project's state holds no log group.")
    chosen = {name: held[name] for name in _named(group, held)} if group else held
    for name in sorted(chosen):
        say(name)
    console.confirm(f"Take {'these' if len(chosen) > 1 else 'this'} out of the state of workspace "
                    f"{session.settings.workspace}?", yes)
    adoption.forget(session, chosen.values())
    show(f"Forgotten: {len(chosen)}. They are in the account as they were.")
    say("The next plan adopts those that the configuration still wants.")


def _session(workspace: str | None, endpoint_from_env: bool) -> Session:
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    return session


def _show(found: list[LogGroup]) -> None:
    """Each group that the configuration wants, and what would be done with it."""
    console.table("", ("log group", "tags of", "in the state of others", "will be"), [
        (group.name, group.owner or ("nobody" if group.exists else ""), "\n".join(map(str, group.holders)), _fate(group))
        for group in found])


def _fate(group: LogGroup) -> str:
    if group.in_the_way:
        return f"(the state holds {group.held})"
    if group.managed:
        return "managed already" if group.exists else "(gone; made anew by the next plan)"
    return "imported" if group.exists else "(made by the next plan)"


def _require_room(session: Session, found: list[LogGroup]) -> None:
    """Raise Refused (3) when the state holds other groups where those that are there belong: the prefix has changed."""
    blocked = [group for group in found if group.exists and group.in_the_way]
    if blocked:
        said = ", ".join(f"{group.held} where {group.name} belongs" for group in blocked)
        raise Refused(f"The state holds {said}. Let those go first; they stay in the account, with all their lines.",
                      run=session.settings.command("logs.forget", *(f"--group {group.held}" for group in blocked)))


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


def _groups(stack: Stack, groups: list[str], beside: str) -> _Speakers:
    """Raises BadInput."""
    if beside:
        raise BadInput("Say services, a --job or a --group, not several of these.")
    return _Speakers(stack, {name: name.rpartition("/")[2] for name in _named(groups, stack.outputs["log_groups"])})


def _named(said: list[str], known: Iterable[str]) -> list[str]:
    """The log groups that are meant by their names or the last parts of them. Raises BadInput."""
    known, found = list(known), []
    for each in said:
        meant = [name for name in known if name == each] or [name for name in known if name.endswith(f"/{each.lstrip('/')}")]
        if len(meant) != 1:
            raise BadInput(f"{each} is {'no log group' if not meant else 'more than one log group'} of this deployment "
                           f"(there are: {', '.join(sorted(known))}).")
        found += meant
    return list(dict.fromkeys(found))


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
