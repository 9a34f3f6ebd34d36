"""A network of one's own: the same port for each of many copies of an account, and a wire that can be cut. Linux only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

HOW_TO_INSTALL = "It needs Linux, util-linux (unshare, nsenter) and iproute2 (ip)."


def available() -> bool:
    return all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip"))


class OwnNetwork:
    """`network.prefix` before a command runs it inside; everything inside ends with `end()`."""

    def __init__(self) -> None:
        self._user = [] if os.getuid() == 0 else ["--user"]
        mapped = ["--map-root-user", *self._user] if self._user else []
        self._holder = subprocess.Popen(["unshare", *mapped, "--net", "sleep", "infinity"])
        deadline = time.monotonic() + 10
        while self._namespace(self._holder.pid) in (None, self._namespace(os.getpid())):
            assert time.monotonic() < deadline, "The network did not come."
            time.sleep(0.02)
        self.mend()

    @property
    def prefix(self) -> list[str]:
        preserve = ["--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", str(self._holder.pid), *self._user, *preserve, "--net"]

    def cut(self) -> None:
        """Nothing inside reaches anything any more, itself included."""
        subprocess.run([*self.prefix, "ip", "link", "set", "lo", "down"], check=True)

    def mend(self) -> None:
        subprocess.run([*self.prefix, "ip", "link", "set", "lo", "up"], check=True)

    def processes(self) -> dict[int, str]:
        """pid -> command line of all that runs inside."""
        inside, found = self._namespace(self._holder.pid), {}
        for folder in Path("/proc").glob("[0-9]*"):
            pid = int(folder.name)
            if pid != self._holder.pid and self._namespace(pid) == inside:
                try:
                    found[pid] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                except OSError:
                    continue
        return {pid: command for pid, command in found.items() if command}  # a zombie has none

    def end(self) -> None:
        for pid in [*self.processes(), self._holder.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._holder.wait()

    @staticmethod
    def _namespace(pid: int) -> str | None:
        try:
            return os.readlink(f"/proc/{pid}/ns/net")
        except OSError:
            return None
