"""Runs one command to its end, whatever becomes of the task that started it.

    python -m core.supervisor FOLDER KIND [--keep RECORD] COMMAND [ARGUMENT…]

Started in a session of its own. The command's output goes to files, never to a pipe: a pipe's reader may die,
and Terraform with it, before its state is written. FOLDER then holds ``events.jsonl`` and ``errors.txt`` (the
command's streams), ``run.json`` (who runs) and, at the end, ``exit.json``. A signal asks the command to stop, once:
Terraform takes a second one as leave to drop its state. With a RECORD (``kept_state``) the state is brought to the
bucket meanwhile and at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from .processes import end_group, start_time, write_json
from .state_keeper import Keeper


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def main(folder: Path, kind: str, command: list[str]) -> int:
    os.umask(0o077)
    keeper = None
    if command[0] == "--keep":
        keeper, command = Keeper(Path(command[1]), folder / "events.jsonl"), command[2:]
    record = {"kind": kind, "command": command, "pid": 0, "start_time": "", "supervisor": os.getpid(),
              "supervisor_start_time": start_time(os.getpid()), "started_at": now()}
    child: subprocess.Popen | None = None
    asked, once = [], [signal.SIGINT]

    def ask(number=0, _frame=None):
        asked.append(number)
        if child and once:
            child.send_signal(once.pop())

    # before there is a child, which may be asked to stop at once; handlers, not SIG_IGN: that it would inherit
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    signal.signal(signal.SIGHUP, lambda *_: None)
    with open(folder / "events.jsonl", "wb") as events, open(folder / "errors.txt", "wb") as errors:
        write_json(folder / "run.json", record)  # before there is a child: if this ends here, its group is still known
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=events, stderr=errors)
    if asked:
        ask()
    write_json(folder / "run.json", {**record, "pid": child.pid, "start_time": start_time(child.pid)})
    unsaved = None
    if keeper:
        while child.poll() is None:
            keeper.tick()
            time.sleep(0.2)
    code = child.wait()
    end_group(os.getpid())  # a provider outlives a Terraform that was killed
    if keeper:
        unsaved = keeper.finish()
    write_json(folder / "exit.json", {"code": code, "unsaved": unsaved, "ended_at": now()})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
