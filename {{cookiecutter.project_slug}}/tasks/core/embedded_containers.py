"""Whether the containers of the embedded AWS really run here, and the end of those that a server left.

Asked of `local/probe.py` before anything is installed, and never of Docker itself: that is the server's own affair.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .embedded_environment import LOCAL

PATIENCE = 60  # seconds until the probe must answer, and until containers must be gone


@dataclass(frozen=True)
class Containers:
    """What a server is started with.

    socket  the Docker engine's; None: what would run is recorded
    bridge  this machine's address for the containers
    reason  why they do not run, the end of a sentence; None when they do
    """

    socket: str | None = None
    bridge: str | None = None
    reason: str | None = None

    @property
    def run(self) -> bool:
        return self.socket is not None

    @property
    def options(self) -> list[str]:
        """The flags of local/serve.py."""
        if self.run:
            return ["--engine", str(self.socket), "--bridge", str(self.bridge)]
        return ["--records-because", self.reason or ""]


NOT_ASKED_FOR = Containers(reason="nobody asked for them")


def ask(unwanted: str | None = None) -> Containers:
    """Whether containers can run here; ``unwanted`` says why they shall not, the end of a sentence."""
    if unwanted:
        return Containers(reason=unwanted)
    if os.environ.get("LOCAL_CONTAINERS") == "0":
        return Containers(reason="LOCAL_CONTAINERS is 0")
    return probe()


def probe() -> Containers:
    """Whether containers can run here, whatever is wanted."""
    try:
        done = subprocess.run([sys.executable, "-B", str(LOCAL / "probe.py")], capture_output=True, text=True,
                              timeout=PATIENCE, check=True)
        return Containers(**json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        return Containers(reason=f"the probe for a Docker engine failed ({type(error).__name__})")


def clear(home: Path, python: Callable[[], Path], volumes: bool, say: Callable[[str], None]) -> None:
    """Remove the containers that a server of this home left, and with `volumes` the databases' data.

    python  makes or finds MiniStack's environment with what containers need; called only when there may be something
    """
    if not (home / "instance.json").exists():
        return  # its containers never ran
    found = probe()
    problem = found.reason
    if found.run:
        done = subprocess.run([str(python()), "-B", str(LOCAL / "serve.py"), "--home", str(home), "--clear",
                               "all" if volumes else "containers", *found.options], capture_output=True, text=True)
        problem = done.stderr.strip().splitlines()[-1] if done.returncode and done.stderr.strip() else None
    if problem:
        say(f"Its containers{' and volumes' if volumes else ''} may still be there: {problem}.")
