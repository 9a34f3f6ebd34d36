"""A long Terraform run: start it so that it outlives its task, follow it, stop it, find it again.

Measured: Terraform that writes its events to a pipe dies with the pipe's reader and loses every resource since its
last save (86 of 86 at 30 s); with its events in a file, kill -9 of the task costs nothing.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import events
from .console import Failed, Interrupted, Refused, Terminated, say
from .processes import alive, end_group, read_json, same_boot, start_time, write_json
from .settings import Settings

TASKS = Path(__file__).parents[1]  # the supervisor is imported as core.supervisor: without Invoke and the tasks
POLL = 0.1  # seconds between two looks at the event file


@dataclass(frozen=True)
class Run:
    """A run of this workspace in this checkout, going on or ended.

    settings the workspace
    kind     plan, apply, or destroy: the apply of a teardown
    pid      Terraform's process; 0 while it is being started
    """

    settings: Settings
    kind: str
    pid: int
    start_time: str
    supervisor: int
    supervisor_start_time: str
    started_at: datetime

    @property
    def folder(self) -> Path:
        """.local/runs/WORKSPACE"""
        return _folder(self.settings)

    @property
    def code(self) -> int | None:
        """Terraform's exit status; None while it runs, or when its supervisor was killed before it could say."""
        ended = read_json(self.folder / "exit.json")
        return ended["code"] if ended else None

    @property
    def unsaved(self) -> str | None:
        """Why the state could not be brought to the bucket at the end; None when it was, or there was nothing to bring."""
        ended = read_json(self.folder / "exit.json")
        return ended and ended.get("unsaved")

    @property
    def running(self) -> bool:
        """Whether Terraform or its supervisor lives; the workspace's next run can start when both are gone."""
        return alive(self.pid, self.start_time) or alive(self.supervisor, self.supervisor_start_time)

    @property
    def changes(self) -> bool:
        """Whether it changes the account."""
        return self.kind != "plan"

    @property
    def again(self) -> str:
        """What a person types to go on with it."""
        if self.kind == "destroy":
            return f"invoke destroy -w {self.settings.workspace}"
        return self.settings.command("deploy" if self.changes else "plan")

    @property
    def reported(self) -> bool:
        """Whether a task has already told somebody how this run ended."""
        return (self.folder / "reported").exists()

    def events(self) -> list[dict]:
        return events.of_file(self.folder / "events.jsonl")

    def stop(self) -> None:
        """Ask Terraform to finish what it is doing and save its state. Once: a second signal would make it drop that."""
        asked = self.folder / "asked-to-stop"
        if alive(self.supervisor, self.supervisor_start_time):
            os.kill(self.supervisor, signal.SIGTERM)  # it passes on the first only
        elif alive(self.pid, self.start_time) and not asked.exists():
            os.kill(self.pid, signal.SIGINT)
        asked.touch(mode=0o600)


def find(settings: Settings) -> Run | None:
    """The workspace's latest run in this checkout, going on or ended."""
    folder = _folder(settings)
    record = read_json(folder / "run.json")
    try:
        return Run(settings, record["kind"], record["pid"], record["start_time"], record["supervisor"],
                   record["supervisor_start_time"], datetime.fromisoformat(record["started_at"]))
    except (KeyError, TypeError, ValueError):  # not there, or damaged
        return None


def start(settings: Settings, kind: str, command: list[str], environment: dict[str, str],
          root: Path | None = None, keep: Path | None = None) -> Run:
    """Start a command under a supervisor. Raises Refused (3) while another run of this workspace goes on.

    root  the folder that it works in; the project's own unless told
    keep  the record by which the supervisor brings the state to the bucket (``kept_state``)
    Ctrl-C in this moment waits until there is a run to stop, and stops it: nothing may go on unknown to its user.
    """
    with _signals() as asked:
        run = _start(settings, kind, command, environment, root, keep)
    if asked:
        run.stop()
        follow(run, on_event=lambda event: None)
        raise _kind(asked)(_where_things_stand(run))
    return run


def _start(settings: Settings, kind: str, command: list[str], environment: dict[str, str],
           root: Path | None, keep: Path | None) -> Run:
    folder = _folder(settings)
    settings.private_dir("runs", settings.workspace)
    keeping = ["--keep", str(keep)] if keep else []
    with _alone(settings, folder) as lock:
        end_left_over(settings)
        for name in ("run.json", "exit.json", "asked-to-stop", "reported", "events.jsonl", "errors.txt"):
            (folder / name).unlink(missing_ok=True)
        with open(folder / "supervisor.txt", "wb", opener=_owner_only) as output:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "core.supervisor", str(folder), kind, *keeping, *command],
                cwd=root or settings.root, env={**environment, "PYTHONPATH": str(TASKS)},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                pass_fds=(lock,),  # held for as long as the supervisor lives
            )
        while (run := find(settings)) is None or not run.pid:
            if supervisor.poll() is not None and not getattr(find(settings), "pid", 0):  # again: it may have come and gone
                (folder / "run.json").unlink(missing_ok=True)
                raise Failed(f"{command[0]} could not be started: {_last_line(folder / 'supervisor.txt')}")
            time.sleep(0.02)
    return run


def end_left_over(settings: Settings) -> list[int]:
    """End what a killed run has left: a provider outlives its Terraform. Answers the processes; none while a run goes on."""
    earlier = find(settings)
    if earlier is None or earlier.running or not same_boot(earlier.supervisor_start_time):
        return []
    if start_time(earlier.supervisor) is not None:  # another process has its pid by now, and maybe a group of that number
        return []
    return end_group(earlier.supervisor)


def follow(run: Run, on_event: Callable[[dict], None], tick: Callable[[], None] = lambda: None,
           at_end: Callable[[], None] = lambda: None) -> int:
    """Hand every event over until the run ends; answers Terraform's exit status.

    at_end  is called when it has ended, and before it counts as reported

    The first Ctrl-C (or kill -TERM) asks Terraform to stop and goes on following; a second one leaves it running.
    Raises Interrupted or Terminated, with where things stand.
    """
    stopping = False
    with _signals() as asked:
        for line in _tail(run):
            if line is None:
                tick()
            elif event := events.of_line(line):
                on_event(event)
            if asked and not stopping:
                stopping = True
                run.stop()
                say("Stopping: Terraform finishes what is in flight and saves its state. Once more leaves it running.")
            if len(asked) > 1:
                raise _kind(asked)(f"Left {run.kind} running (process {run.pid}); this follows it: {run.again}")
    at_end()
    write_json(run.folder / "reported", True)
    if asked:
        raise _kind(asked)(_where_things_stand(run))
    return _code(run)


def _kind(asked: list[int]):
    return Terminated if asked[0] == signal.SIGTERM else Interrupted


def _where_things_stand(run: Run) -> str:
    done = sum(event.get("type") == "apply_complete" and event["hook"].get("action") != "read" for event in run.events())
    if run.kind == "plan":
        return "Stopped while planning; nothing was changed."
    if run.code == 0:
        return f"It was complete before it could be stopped: {done} changes, and the state is saved."
    if run.unsaved:
        return (f"Stopped after {done} finished changes, but the state could not be brought to the bucket ({run.unsaved}). "
                f"It waits on this disk: {run.settings.command('recover')}")
    return f"Stopped after {done} finished changes; the state is saved. This goes on from here: {run.again}"


def _code(run: Run) -> int:
    if run.code is not None:
        return run.code
    # its supervisor was killed: what Terraform wrote tells how it ended
    said = run.events()
    operation = "apply" if run.changes else "plan"
    complete = any(event.get("type") == "change_summary" and event["changes"]["operation"] == operation for event in said)
    return 0 if complete and not events.errors(said) else 1


def stderr(run: Run) -> str:
    """What Terraform wrote outside its event stream: a crash, a bad flag."""
    try:
        return (run.folder / "errors.txt").read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _folder(settings: Settings) -> Path:
    return settings.local_dir / "runs" / settings.workspace


@contextmanager
def _alone(settings: Settings, folder: Path) -> Iterator[int]:
    """The checkout's own lock for this workspace; the supervisor inherits it."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            earlier = find(settings)
            busy = earlier is not None and earlier.running  # its supervisor was killed, Terraform was not
        except BlockingIOError:
            busy = True
        if busy:
            raise Refused(f"Another run of workspace {settings.workspace} is going on in this folder.",
                          run=settings.command("apply"))
        yield lock
    finally:
        os.close(lock)


@contextmanager
def none_going_on(settings: Settings) -> Iterator[None]:
    """While no run of this workspace goes on in this checkout, and none can start. Raises Refused (3) when one does."""
    settings.private_dir("runs", settings.workspace)
    with _alone(settings, _folder(settings)):
        yield


_held: set[Path] = set()  # by this process: what is alone already may go on


@contextmanager
def one_task_at_a_time(settings: Settings) -> Iterator[None]:
    """Hold other tasks of this workspace in this checkout off while a plan is made or taken, or a state is moved."""
    file = settings.private_dir("runs", settings.workspace) / "task.lock"
    if file in _held:
        yield
        return
    with open(file, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another task of this workspace…")
            fcntl.flock(handle, fcntl.LOCK_EX)
        _held.add(file)
        try:
            yield
        finally:
            _held.discard(file)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Those that arrive meanwhile. They are only noted: a handler may interrupt anything, a print too."""
    asked: list[int] = []
    previous = {number: signal.signal(number, lambda number, _frame: asked.append(number))
                for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tail(run: Run) -> Iterator[str | None]:
    """Lines as they are written; None when there is nothing new. Ends when the run has ended and all was read."""
    with open(run.folder / "events.jsonl", "rb") as stream:
        rest = b""
        while True:
            ended = not run.running
            chunk = stream.read()
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
            if ended and not chunk:
                return
            if not chunk:
                yield None
                time.sleep(POLL)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_line(file: Path) -> str:
    return (file.read_text(errors="replace").strip().splitlines() or ["no reason given"])[-1]
