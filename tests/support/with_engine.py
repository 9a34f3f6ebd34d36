"""Prepare what the tests with containers need, and run a command while the engine is there:

    python tests/support/with_engine.py [COMMAND ...]
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import stand_ins
from engine import Missing, running_engine


def main(command: list[str]) -> int:
    """The command's exit code; 1 when something is missing, 130 when interrupted before the command began."""
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {line}", flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_engine() as how:
            say(f"Docker engine: {how}")
            stand_ins.prepare(say)
            return _run(command) if command else 0
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: list[str]) -> int:
    """Wait for the command however it is told to end, so that it can tidy up while the engine still answers."""
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    # A terminal's Ctrl-C has reached the command as well.
    signal.signal(signal.SIGINT, lambda *_: None)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
