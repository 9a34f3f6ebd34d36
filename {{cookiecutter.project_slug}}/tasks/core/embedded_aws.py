"""The embedded AWS of the workspace `local`: its process and its saved account.

It is a server of its own (local/serve.py) under ``.local/``. Whether it runs is asked of the kernel, by a lock that the
server holds as long as it lives: a process id in a file may be stale, reused, or half written; a lock is none of these.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import embedded_containers
from .console import Failed, TookTooLong
from .embedded_containers import NOT_ASKED_FOR, Containers
from .embedded_environment import LOCAL, environment
from .processes import read_json

PROGRAM = LOCAL / "serve.py"
ADDRESS = "127.0.0.1"
PORT = 4566  # the port that people know from such emulators; taken only when it is free
ALREADY_SERVED = 3  # the exit code of local/serve.py when another process holds the lock
WAIT = 60  # seconds until a server must answer, and until a stopped one must be gone
KEPT_LOG = 1_000_000  # bytes of log after which the next start begins a new one

# All that the server sees of the caller's environment: no proxy, no credential, no AWS variable.
PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR")

# What our servers say of themselves at /_local; who does not is somebody else.
SAID = {"home", "endpoint", "containers", "reason", "running_containers", "pid", "port", "saved_at", "restored_at",
        "warning"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Server:
    """One embedded AWS, as it is now.

    running      it answers
    endpoint     its address, for AWS_ENDPOINT_URL; None while it does not run
    containers   whether ECS tasks and the database really run, or are only recorded
    reason       why they do not run, the end of a sentence; None when they do, or nothing serves
    count        how many containers of its own run now; None when the engine does not say
    pid, port    of its process; None when it does not run or is somebody else's
    log          its log file; None when it is somebody else's
    saved_at     the moment that the account on the disk is of; None when nothing was saved yet
    restored_at  the moment that the account was of when the server started; None when it began empty
    warning      what is wrong with it: a torn snapshot, a full disk
    """

    running: bool
    endpoint: str | None = None
    containers: bool = False
    reason: str | None = None
    count: int | None = None
    pid: int | None = None
    port: int | None = None
    log: Path | None = None
    saved_at: datetime | None = None
    restored_at: datetime | None = None
    warning: str | None = None


def status(root: Path) -> Server:
    """The server that the workspace local uses: the one that AWS_ENDPOINT_URL names, else the project's own."""
    named = os.environ.get("AWS_ENDPOINT_URL")
    return elsewhere(named) if named else look(home_of(root))


def up(root: Path, say: Say, no_containers: str | None = None) -> Server:
    """Start the project's server unless it runs, or AWS_ENDPOINT_URL names another one.

    no_containers  why what would run is recorded, also by a server that runs with containers now
    Raises Failed or TookTooLong with the end of its log.
    """
    named = os.environ.get("AWS_ENDPOINT_URL")
    if named:
        server = elsewhere(named)
        if not server.running:
            raise Failed(f"Nothing answers at {named}, which AWS_ENDPOINT_URL names.", run="unset AWS_ENDPOINT_URL")
        say("AWS_ENDPOINT_URL is set: the workspace local uses that server, and none is started.")
        return server
    home = home_of(root)
    server = look(home)
    if server.running and not (no_containers and server.containers):
        return server
    if server.running:
        say("The embedded AWS runs with containers; starting it again without.")
        down(root, say)
    server = _start_for(root, _last_port(home) or PORT, say, embedded_containers.ask(no_containers))
    if server.restored_at:
        say(f"The embedded AWS runs; its account is as it was {age(server.restored_at)}.")
    else:
        say("The embedded AWS runs; its account is empty.")
    if not server.containers:
        say(f"Containers are recorded and do not run: {server.reason}.")
    return server


def down(root: Path, say: Say) -> Server:
    """Stop the project's server and its containers; it saves its account first. The databases' data stays."""
    stop(home_of(root), say)
    embedded_containers.clear(home_of(root), lambda: environment(_environment_of(root), say, True), volumes=False, say=say)
    return look(home_of(root))


def reset(root: Path, say: Say) -> Server:
    """Empty the account. A server that ran runs again afterwards, on the same port if nobody takes it meanwhile."""
    home = home_of(root)
    before = look(home)
    stop(home, say)
    embedded_containers.clear(home, lambda: environment(_environment_of(root), say, True), volumes=True, say=say)
    if home.exists():
        shutil.rmtree(home)
    if not before.running:
        return look(home)
    return _start_for(root, before.port or PORT, say, embedded_containers.ask(before.reason))


def _start_for(root: Path, port: int, say: Say, containers: Containers) -> Server:
    python = environment(_environment_of(root), say, containers.run)
    return start(home_of(root), python, port=port, say=say, containers=containers)


def home_of(root: Path) -> Path:
    """Where a project's server keeps account, log, lock and record."""
    return root / ".local" / "aws"


def _environment_of(root: Path) -> Path:
    return root / ".local" / "ministack"


def look(home: Path) -> Server:
    """The server of this home, as it is now. Changes nothing."""
    log = home / "server.log"
    stopped = Server(running=False, log=log if log.exists() else None, saved_at=_last_save(home))
    if not _held(home):
        return stopped
    record = _record(home) or {}  # an earlier one's, maybe: this one writes its own when it answers
    found = _ask(record["endpoint"]) if "endpoint" in record else None
    if not found or found["home"] != str(home.resolve()):
        return replace(stopped, pid=record.get("pid"), warning="It has started and does not answer yet.")
    return replace(_described(found), log=log)


def elsewhere(endpoint: str) -> Server:
    """A server that somebody else started, by its address."""
    found = _ask(endpoint)
    if found:
        return replace(_described(found), endpoint=endpoint, pid=None, port=None)
    return Server(running=_answers(endpoint), endpoint=endpoint)


def start(home: Path, python: Path, port: int = 0, say: Say = lambda text: None,
          options: Sequence[str] = (), wait: float = WAIT, containers: Containers = NOT_ASKED_FOR) -> Server:
    """Start a server on a home, or wait for the one that another process has just started there.

    port        liked best; another one is taken when it is not free. 0: any
    options     more flags of local/serve.py
    containers  whether they run, and in which engine
    Raises Failed when it ends at once, TookTooLong when it does not answer; both with the end of the log.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    process = None if _held(home) else _spawn(home, python, port, [*options, *containers.options])
    while time.monotonic() < deadline:
        server = look(home)
        if server.running:
            if port and server.port != port:
                say(f"Port {port} is taken; the embedded AWS uses {server.port}.")
            return server
        if process and process.poll() is not None:
            if process.returncode != ALREADY_SERVED:
                raise Failed(f"The embedded AWS ended at once.\n{_tail(home)}", run="invoke local.up")
            process = None  # another process was quicker: wait for its server
        elif process is None and not _held(home):
            raise Failed(f"The embedded AWS ended while starting.\n{_tail(home)}", run="invoke local.up")
        time.sleep(0.05)
    raise TookTooLong(f"The embedded AWS does not answer after {wait:.0f} s.\n{_tail(home)}", run="invoke local.status")


def stop(home: Path, say: Say = lambda text: None, wait: float = WAIT) -> None:
    """Stop the server of this home, in order if it lets us. Raises Failed when it cannot be stopped."""
    if not _held(home):
        return
    record = _record(home) or _healed_record(home)
    if not record:
        raise Failed(f"A process holds {home / 'lock'} and does not say which it is. Find and end it: fuser {home / 'lock'}")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record["pid"], number)
        if _until(lambda: not _held(home), wait):
            return
        say("The embedded AWS does not stop by itself; ending it. What it saved last stays.")
    raise Failed(f"The embedded AWS (process {record['pid']}) cannot be ended.")


def copy(source: Path, target: Path) -> None:
    """Copy the account of one home into another one, as it is now if a server runs there."""
    server = look(source)
    if server.running:
        _ask(server.endpoint, "/_local/save", "POST")
    shutil.copytree(source / "account", target / "account")
    target.chmod(0o700)


def age(moment: datetime) -> str:
    """How long ago, in words."""
    seconds = int((datetime.now(timezone.utc) - moment).total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _spawn(home: Path, python: Path, port: int, options: Sequence[str]) -> subprocess.Popen:
    log = home / "server.log"
    fresh = not log.exists() or log.stat().st_size > KEPT_LOG
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND), 0o600), "wb") as out:
        return subprocess.Popen(
            [str(python), "-B", str(PROGRAM), "--home", str(home), "--address", ADDRESS, "--port", str(port), *options],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home, start_new_session=True,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        )


def _held(home: Path) -> bool:
    """Whether a living process holds the lock of this home."""
    try:
        handle = os.open(home / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def _record(home: Path) -> dict[str, Any] | None:
    """Where the server of this home says that it is; None when the file is missing, damaged, or copied from elsewhere."""
    record = read_json(home / "server.json")
    return record if isinstance(record, dict) and record.get("home") == str(home.resolve()) else None


def _healed_record(home: Path) -> dict[str, Any] | None:
    """The record, once the server has written it: at its start, and again within seconds when it is damaged."""
    _until(lambda: _record(home) is not None, 10)
    return _record(home)


def _last_port(home: Path) -> int | None:
    record = _record(home)
    return record["port"] if record else None


def _last_save(home: Path) -> datetime | None:
    snapshots = sorted((home / "account").glob("[0-9]*.json"))
    return datetime.fromtimestamp(snapshots[-1].stat().st_mtime, timezone.utc) if snapshots else None


def _ask(endpoint: str, path: str = "/_local", method: str = "GET") -> dict[str, Any] | None:
    """What one of our servers says of itself; None when nobody answers, or somebody else."""
    try:
        said = json.loads(_request(endpoint.rstrip("/") + path, method))
        return said if set(said) >= SAID else None
    except (OSError, ValueError, TypeError):
        return None


def _answers(endpoint: str) -> bool:
    """Whether anybody answers there, whatever the answer."""
    try:
        _request(endpoint)
        return True
    except (OSError, ValueError) as error:
        return hasattr(error, "code")  # an HTTP status, so somebody is there


def _request(address: str, method: str = "GET") -> bytes:
    """The body of an answer, from the address itself and through no proxy. Raises OSError or ValueError."""
    from urllib.request import ProxyHandler, Request, build_opener  # 25 ms that `invoke --list` need not pay

    with build_opener(ProxyHandler({})).open(Request(address, method=method), timeout=10) as answer:
        return answer.read()


def _described(said: dict[str, Any]) -> Server:
    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    return Server(
        running=True, endpoint=said["endpoint"], containers=said["containers"], reason=said["reason"],
        count=said["running_containers"], pid=said["pid"], port=said["port"], warning=said["warning"],
        saved_at=moment(said["saved_at"]), restored_at=moment(said["restored_at"]))


def _tail(home: Path, lines: int = 8) -> str:
    try:
        return "\n".join((home / "server.log").read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return true()
