"""The real chamber, against the embedded AWS: found, or built once from the Go proxy (tests/tools/go.mod pins it)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stand_ins import alone

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "tools"
HOW_TO_INSTALL = "Put chamber on the PATH, name it in CHAMBER_BINARY, or install Go (https://go.dev/dl), which builds it."


def binary(need: Callable[..., str]) -> str:
    """Chamber's path; without chamber and Go, `need` skips the test, or fails it where CI is set."""
    named = os.environ.get("CHAMBER_BINARY") or shutil.which("chamber")
    if named:
        return named
    built = ROOT / "build" / "tools"
    go = need("go", HOW_TO_INSTALL)
    environment = {**os.environ, "GOBIN": str(built), "CGO_ENABLED": "0"}
    with alone():
        subprocess.run([go, "install", "-trimpath", "github.com/segmentio/chamber/v2"], cwd=TOOLS, env=environment,
                       check=True, capture_output=True)
    return str(built / "chamber")


@dataclass(frozen=True)
class RealChamber:
    """`chamber("list", "svc")` answers what it prints; it must succeed."""

    path: str
    endpoint: str
    alias: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "000000000000",
            "AWS_SECRET_ACCESS_KEY": "local", "CHAMBER_AWS_SSM_ENDPOINT": self.endpoint, "CHAMBER_KMS_KEY_ALIAS": self.alias,
        }

    def run(self, *words: str, input: str = "") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([self.path, *words], input=input.encode(), env=self.environment, capture_output=True,
                              timeout=60)

    def __call__(self, *words: str, input: str = "") -> str:
        done = self.run(*words, input=input)
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode()
