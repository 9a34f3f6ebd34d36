"""One fault at one moment of one run: on a copy of a project and its account, in a network of its own."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from driven_project import CANARY, Answer, Project
from own_network import OwnNetwork

INVENTORY = Path(__file__).resolve().parents[1] / "support" / "inventory.py"
CUT = 20  # seconds without a network: longer than a call's own patience, shorter than the provider's
ROUNDS = 5  # commands until a run must have come to its end


@dataclass(frozen=True)
class Phase:
    """A run that is disturbed.

    name     apply, update or destroy
    command  what is run, and run again
    prepare  what is changed in a copy before it
    clean    the end: the plan has nothing to do, or the state holds nothing
    """

    name: str
    command: tuple[str, ...]
    prepare: Callable[[Project], None] = lambda project: None
    destroys: bool = False


@dataclass
class Row:
    """How it went.

    way      each command that was needed, with its exit code
    reached  whether the run still went on at that moment
    wrong    what is not as it must be
    commit   of the template that was tried
    """

    phase: str
    fault: str
    moment: int
    reached: bool = False
    way: list[str] = field(default_factory=list)
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    commit: str = ""

    @property
    def ok(self) -> bool:
        return not self.wrong


class Copy(Project):
    """A project whose commands run in a network of its own."""

    def __init__(self, golden: Path, folder: Path, environment: dict[str, str]):
        shutil.copytree(golden, folder, symlinks=True)
        shutil.rmtree(folder / ".local" / "runs", ignore_errors=True)
        super().__init__(folder, environment)
        self.network = OwnNetwork()
        self.must("local.up", "--no-containers")

    def begin(self, *words: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [*self.network.prefix, sys.executable, "-m", "invoke", *words], cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.started.append(process)
        return process

    def inventory(self) -> dict[str, list[str]]:
        done = subprocess.run([*self.network.prefix, sys.executable, str(INVENTORY), self.endpoint], capture_output=True,
                              text=True, env=self.environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run_record(self) -> dict:
        try:
            return json.loads((self.folder / ".local" / "runs" / "local" / "run.json").read_text())
        except (OSError, ValueError):
            return {}

    def completed(self) -> int:
        """How many resources the apply that goes on has finished; -1 while none goes on."""
        begun = [event for event in self.events() if event.get("type") in ("apply_start", "apply_complete")
                 and event["hook"].get("action") != "read"]
        return sum(event["type"] == "apply_complete" for event in begun) if begun else -1

    def end(self) -> None:
        self.network.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def kill_task(copy: Copy, task: subprocess.Popen) -> None:
    """kill -9 of the task: `nsenter` becomes it, so it is the process that was started."""
    task.kill()


def kill_terraform(copy: Copy, task: subprocess.Popen) -> None:
    """kill -9 of Terraform alone."""
    _kill(copy.run_record().get("pid"))


def kill_everything(copy: Copy, task: subprocess.Popen) -> None:
    """kill -9 of the task, its supervisor, Terraform and the provider at once: as when the power goes."""
    task.kill()
    for pid, command in copy.network.processes().items():
        if "serve.py" not in command:
            _kill(pid)


def interrupt(copy: Copy, task: subprocess.Popen) -> None:
    """Ctrl-C: the whole group of the terminal's job gets it."""
    os.killpg(task.pid, signal.SIGINT)


def cut_connection(copy: Copy, task: subprocess.Popen) -> None:
    """Nothing is reached for a while."""
    copy.network.cut()
    threading.Timer(CUT, copy.network.mend).start()


FAULTS: dict[str, Callable[[Copy, subprocess.Popen], None]] = {
    "kill -9 task": kill_task,
    "kill -9 terraform": kill_terraform,
    "kill -9 everything": kill_everything,
    "connection cut": cut_connection,
    "Ctrl-C": interrupt,
}
# After these the next run alone must do; after the others it may name `recover`.
NEEDS_NO_RECOVERY = ("kill -9 task", "Ctrl-C", "connection cut")


def disturb(copy: Copy, phase: Phase, fault: str, moment: int, row: Row) -> None:
    """Begin the run, do it harm after the moment-th completed resource, and wait until the task is gone."""
    task = copy.begin(*phase.command)
    while task.poll() is None and copy.completed() < moment:
        time.sleep(0.05)
    row.reached = task.poll() is None
    if row.reached:
        FAULTS[fault](copy, task)
    answer = _answer(task)
    row.way.append(f"{phase.command[0]}: {answer.code}")
    if "Traceback" in answer.err:
        row.wrong.append(f"a traceback: {answer.err[-800:]}")


def converge(copy: Copy, phase: Phase, fault: str, row: Row) -> None:
    """Run it again, and whatever it names, until it has come to its end."""
    command: tuple[str, ...] = phase.command
    for _ in range(ROUNDS):
        answer = copy.invoke(*command, timeout=900)
        row.way.append(f"{command[0]}: {answer.code}")
        if "Traceback" in answer.err:
            row.wrong.append(f"a traceback: {answer.err[-800:]}")
        if answer.code == 0 and command == phase.command:
            return
        if answer.code == 0:
            command = phase.command
        elif "invoke recover" in answer.err and fault not in NEEDS_NO_RECOVERY:
            command = ("recover", "--yes")
        else:
            command = phase.command
            said = answer.err.strip().splitlines()
            row.way[-1] += f" ({' / '.join(said[-2:])[:300]})"
    row.wrong.append(f"it did not come to an end in {ROUNDS} commands: {answer.err[-1200:]}")


def judge(copy: Copy, phase: Phase, wanted: dict[str, list[str]], row: Row) -> None:
    """Everything that must be true at the end, whatever happened on the way."""
    if not phase.destroys:
        plan = copy.invoke("plan", "--detailed-exitcode", "--json")
        if plan.code:
            changes = [f"{one['action']} {one['address']}" for one in plan.json.get("changes", [])]
            row.wrong.append(f"the plan is not clean ({plan.code}): {changes or plan.err}")
    found = copy.inventory()
    for kind in sorted({*wanted, *found}):
        if found.get(kind) != wanted.get(kind):
            row.wrong.append(f"{kind}: {_difference(wanted.get(kind, []), found.get(kind, []))}")
    alive = [command for command in copy.network.processes().values() if "serve.py" not in command]
    if alive:
        row.wrong.append(f"left running: {alive}")
    told = [str(path.relative_to(copy.folder)) for path in _own_files(copy.folder) if CANARY.encode() in _read(path)]
    if told:
        row.wrong.append(f"the password stands in {told}")
    states = [path for path in (copy.folder / ".local" / "roots").rglob("*.tfstate*") if ".terraform" not in path.parts]
    if states or (copy.folder / "errored.tfstate").exists():
        row.wrong.append(f"a state was left on the disk: {states}")


def run(golden: Path, folder: Path, environment: dict[str, str], phase: Phase, fault: str, moment: int,
        wanted: dict[str, list[str]]) -> Row:
    """One row of the table."""
    row, started = Row(phase.name, fault, moment, commit=commit()), time.monotonic()
    copy = Copy(golden, folder, environment)
    try:
        phase.prepare(copy)
        disturb(copy, phase, fault, moment, row)
        converge(copy, phase, fault, row)
        judge(copy, phase, wanted, row)
    except Exception as error:  # a row of the table, whatever went wrong with it
        row.wrong.append(f"{type(error).__name__}: {str(error)[:1500]}")
    finally:
        row.seconds = round(time.monotonic() - started, 1)
        copy.end()
    return row


def undisturbed(golden: Path, folder: Path, environment: dict[str, str], phase: Phase) -> tuple[int, dict[str, list[str]]]:
    """The same run without a fault: how many resources it completes, and what there is at its end."""
    copy = Copy(golden, folder, environment)
    try:
        phase.prepare(copy)
        copy.must(*phase.command)
        return copy.completed(), copy.inventory()
    finally:
        copy.end()


@functools.cache
def commit() -> str:
    """The template's commit that is tried."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=INVENTORY.parent, capture_output=True, text=True)
    return told.stdout.strip()


def _answer(task: subprocess.Popen) -> Answer:
    out, err = task.communicate(timeout=900)
    return Answer(task.returncode, out, err)


def _kill(pid: int | None) -> None:
    try:
        if pid:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _own_files(folder: Path):
    """The project's files, but for the embedded account, which is AWS's."""
    for place, names, files in os.walk(folder):
        names[:] = [name for name in names if Path(place, name) != folder / ".local" / "aws" and name != "ministack"]
        yield from (Path(place, name) for name in files)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _difference(wanted: list[str], found: list[str]) -> str:
    missing, surplus = list(wanted), []
    for name in found:
        if name in missing:
            missing.remove(name)
        else:
            surplus.append(name)
    return f"missing {missing}, too much {surplus}"
