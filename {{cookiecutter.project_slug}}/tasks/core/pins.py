"""workspaces/NAME.images.tfvars.json: the digest that each service of a workspace runs. Committed, read by Terraform."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import references, registry
from .console import BadInput, Refused, warn
from .session import Session
from .settings import Settings

ALLOW_OLDER = "--allow-older"


def services(settings: Settings) -> list[str]:
    """The services that take the project's image: those without one of their own in the tfvars."""
    return sorted(name for name, service in (settings.variables.get("services") or {}).items() if not service.get("image"))


def read(settings: Settings) -> dict[str, str]:
    """service -> image, as the file holds it now; empty without a file."""
    return _content(settings.images_file)["images"]


def write(settings: Settings, pinned: Mapping[str, str]) -> bool:
    """Put images into the file and leave its other entries; answers whether it changed.

    Whole or not at all, and always in the same order: a commit shows what changed and nothing else.
    """
    return _put(settings.images_file, lambda images: {**images, **pinned})


def drop(settings: Settings, names: Iterable[str]) -> bool:
    """Take services out of the file; answers whether it changed. A file that was never there stays away."""
    file, gone = settings.images_file, set(names)
    return file.exists() and _put(file, lambda images: {name: images[name] for name in images if name not in gone})


def require_not_older(session: Session, running: Mapping[str, str], allow_older: bool = False) -> None:
    """Raise Refused (3) when a pinned image is older than the one that runs: a checkout that was not brought up to date
    would roll the service back, and the plan shows two digests only.

    running  service -> image of the task definition that runs
    Needs no engine for ECR. For other registries it knows what the engine here knows, and warns when that is nothing.
    """
    pinned = read(session.settings)
    for service in services(session.settings):
        wanted, runs = pinned.get(service), running.get(service)
        if allow_older or not wanted or not runs or wanted == runs:
            continue
        if references.read(wanted).repository != references.read(runs).repository:
            continue  # somebody moved it on purpose, and there is no order between two repositories
        ages = registry.pushed_at(session, wanted), registry.pushed_at(session, runs)
        if None in ages:
            warn(f"{service}: another image is pinned than runs, and which is older cannot be told here. Running: {runs}")
        elif ages[0] < ages[1]:
            raise Refused(
                f"{service}: {session.settings.images_file.name} pins an older image than the one that runs: this would "
                f"roll it back. Pinned: {wanted} of {ages[0]:%Y-%m-%d %H:%M}. Running: {runs} of {ages[1]:%Y-%m-%d %H:%M}. "
                f"Bring the file up to date (git pull), or say {ALLOW_OLDER}.",
                run=session.settings.command("docker.digest"))


def _put(file: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> bool:
    content = _content(file)
    images = dict(sorted(change(content["images"]).items()))
    text = json.dumps({**content, "images": images}, indent=2, ensure_ascii=False) + "\n"
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    _replace(file, text)
    return True


def _content(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {"images": {}}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, dict) or not all(isinstance(image, str) for image in images.values()):
        raise BadInput(f'{file.name} must hold {{"images": {{service: "repository@sha256:…"}}}}. Restore it from git.')
    return content


def _replace(file: Path, text: str) -> None:
    """By a file beside it, which becomes it: Terraform or another task may read it at any moment."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o644  # committed, so not for its owner only
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
