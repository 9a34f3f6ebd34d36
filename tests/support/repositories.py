"""Git repositories for tests, whoever runs them and whatever git is configured to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

_IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")


def git(repository: Path, *words: str) -> str:
    ran = subprocess.run(["git", *_IDENTITY, *words], cwd=repository, capture_output=True, text=True, check=True)
    return ran.stdout


def commit(repository: Path) -> None:
    """Everything that stands there."""
    git(repository, "add", "--all", "--force")
    git(repository, "commit", "-q", "-m", "state")
