"""A Docker engine to test with: the one that answers, or in CI one that is started for the run and stopped after it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOW_TO_INSTALL = "Install Docker and start it: https://docs.docker.com/engine/install/"
SECONDS_TO_START = 60


class Missing(Exception):
    """Something that tests need is not on this machine; the sentence says how to get it."""


def clients() -> list[str]:
    """Every `docker` on the PATH, in its order."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        if path := shutil.which("docker", path=folder):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def client() -> str | None:
    """The first client that the engine answers: a new one refuses an old engine, and another may stand behind it."""
    return next((path for path in clients() if _answers(path)), None)


def docker(
    *arguments: str, check: bool = True, input: str = "", timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a Docker command, which must succeed unless its code is the caller's to judge. Missing without an engine."""
    # The classic builder is what clients with and without buildx have in common.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        [_found_client(), *arguments], env=environment, input=input, capture_output=True, text=True, timeout=timeout
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done


@functools.cache
def _found_client() -> str:
    """Asked for once, until there is one."""
    path = client()
    if not path:
        raise Missing(f"No Docker engine answers. {HOW_TO_INSTALL}")
    return path


@contextmanager
def running_engine() -> Iterator[str]:
    """An engine answers inside; yields how. Started here only by root in CI, where nobody else would, and then stopped."""
    if client():
        yield "answers"
        return
    if not (os.environ.get("CI") and os.geteuid() == 0 and shutil.which("dockerd") and clients()):
        raise Missing(f"No Docker engine answers. {HOW_TO_INSTALL}")
    with tempfile.TemporaryDirectory(prefix="dockerd-") as folder:
        log = Path(folder) / "dockerd.log"
        with log.open("w") as output:
            # In a session of its own: a Ctrl-C is for the tests, which still need the engine to tidy up.
            daemon = subprocess.Popen(["dockerd"], stdout=output, stderr=output, start_new_session=True)
        try:
            _wait_for_answer(daemon, log)
            yield "started"
        finally:
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _answers(path: str) -> bool:
    try:
        asked = subprocess.run([path, "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _wait_for_answer(daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not client():
        if daemon.poll() is not None or time.monotonic() > until:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise Missing(f"dockerd did not start; its last lines:\n{last}")
        time.sleep(0.2)
