"""Other processes: is it still the one that was started, and how to write a file that another process reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import files


def start_time(pid: int) -> str | None:
    """When a process began, as an opaque text; None when there is no such process (a zombie counts as none).

    A pid alone says nothing after a reboot or a wrap-around: pid and start time together are one process.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()  # the name before it may hold spaces
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] == "Z" else f"{_boot()}-{fields[19]}"
    alike = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}  # the same text in every shell
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, env=alike).stdout.strip()
    return None if not found or found.startswith("Z") else found.partition(" ")[2].strip()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def same_boot(started: str) -> bool:
    """Whether a start time is of this run of the machine; where the machine does not say, it counts as one."""
    return not _boot() or started.partition("-")[0] == _boot()


def alive(pid: int | None, started: str | None) -> bool:
    """Whether the process that had this pid and start time still runs."""
    return bool(pid and started) and start_time(pid) == started


def end_group(leader: int) -> list[int]:
    """Kill Terraform's processes in a process group, but for this one; answers them.

    A group whose leader is gone may be another's by now, so only what is Terraform's by its name is ended.
    """
    ended = []
    for pid, group, command in _processes():
        if group == leader and pid != os.getpid() and "terraform" in os.path.basename(command):
            try:
                os.kill(pid, signal.SIGKILL)
                ended.append(pid)
            except ProcessLookupError:
                pass
    return ended


def _processes() -> Iterator[tuple[int, int, str]]:
    """Every process: pid, process group, the program."""
    if Path("/proc/self/stat").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
                command = (folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            except OSError:
                continue
            yield int(folder.name), group, command
        return
    listed = subprocess.run(["ps", "-A", "-o", "pid=", "-o", "pgid=", "-o", "comm="], capture_output=True, text=True).stdout
    for pid, group, command in (line.split(None, 2) for line in listed.splitlines() if len(line.split(None, 2)) == 3):
        yield int(pid), int(group), command


def write_json(file: Path, content: Any) -> None:
    """Write whole or not at all, readable by its owner only: another process may read it at any moment."""
    files.replace(file, (json.dumps(content, indent=2) + "\n").encode(), files.OWNERS_ONLY)


def read_json(file: Path) -> Any:
    """The content, or None when the file is not there or not whole."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
