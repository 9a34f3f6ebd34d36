"""MiniStack's own Python environment: it pins botocore exactly, so it lives apart from the tasks' packages."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .console import Failed

LOCAL = Path(__file__).resolve().parents[2] / "local"
REQUIREMENTS = LOCAL / "requirements.txt"
FOR_CONTAINERS = LOCAL / "requirements-containers.txt"

# What would lead another Python astray.
MISLEADING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def environment(folder: Path, say: Callable[[str], None], containers: bool = False) -> Path:
    """The environment's Python, after making it when it is missing, half made, broken or out of date. Raises Failed.

    containers  whether it must hold what running containers needs; that is added to an environment without it
    """
    python = folder / "bin" / "python"
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        if not (_is_made(folder, REQUIREMENTS) and _works(python)):
            say("Making the environment of the embedded AWS (once; half a minute) ...")
            shutil.rmtree(folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(folder)],
                 "make a virtual environment (on Debian: apt install python3-venv)")
            _install(folder, REQUIREMENTS, "install MiniStack")
        if containers and not _is_made(folder, FOR_CONTAINERS):
            say("Adding what containers need to the environment of the embedded AWS (once) ...")
            _install(folder, FOR_CONTAINERS, "install what the embedded AWS needs to run containers")
    return python


def _install(folder: Path, requirements: Path, purpose: str) -> None:
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
          "-r", str(requirements)], purpose)
    _stamp(folder, requirements).write_text(_wanted(requirements))  # the last step: without it the environment is half made


def _is_made(folder: Path, requirements: Path) -> bool:
    stamp = _stamp(folder, requirements)
    return stamp.exists() and stamp.read_text() == _wanted(requirements)


def _stamp(folder: Path, requirements: Path) -> Path:
    return folder / f"made-from-{requirements.stem}"


def _wanted(requirements: Path) -> str:
    """What an environment is made from: the requirements and this Python."""
    return hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()


def _works(python: Path) -> bool:
    """Whether the environment's Python runs and finds what it was made for."""
    probe = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('ministack', 'hypercorn', 'botocore'))))"
    try:
        return subprocess.run([str(python), "-c", probe], capture_output=True).returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], purpose: str) -> None:
    """Run with the caller's settings for pip. Raises Failed with the last lines."""
    inherited = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=inherited)
    if done.returncode != 0:
        raise Failed("\n".join([f"Could not {purpose}:", *done.stdout.strip().splitlines()[-5:]]), run="invoke local.up")


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    with open(file, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
