"""git, as far as an image tells where it came from. A project without git loses nothing but that."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit(folder: Path) -> str:
    """The commit that is checked out, with a ``+`` when files of this folder differ from it; empty without git."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True)
        changed = subprocess.run(["git", "status", "--porcelain", "."], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    if found.returncode:
        return ""
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")
