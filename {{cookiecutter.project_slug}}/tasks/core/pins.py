"""workspaces/NAME.images.tfvars.json: the digest that each service of a workspace runs. Committed, read by Terraform."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import files, references, registry
from .console import BadInput, Refused, warn
from .session import Session
from .settings import Settings

ALLOW_OLDER = "--allow-older"
SUFFIX = ".images.tfvars.json"


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


@contextmanager
def put_back_on_failure(settings: Settings) -> Iterator[None]:
    """Whatever ends the block early, a refusal or a person's no among it, the file is as it was: it says what runs."""
    file = settings.images_file
    before = file.read_bytes() if file.exists() else None
    try:
        yield
    except BaseException:
        if before is None:
            file.unlink(missing_ok=True)
        elif not file.exists() or file.read_bytes() != before:
            files.replace(file, before)
        raise


def pinned_elsewhere(settings: Settings, image: str) -> list[str]:
    """The files of other workspaces that pin an image; one that cannot be read pins nothing."""
    found = []
    for file in sorted(settings.images_file.parent.glob(f"*{SUFFIX}")):
        with suppress(BadInput):
            if file != settings.images_file and image in _content(file)["images"].values():
                found.append(file.name)
    return found


def require_not_older(session: Session, running: Mapping[str, str], allow_older: bool = False,
                      of_checkout: bool = False) -> None:
    """Raise Refused (3) when a pinned image is older than the one that runs: a checkout that was not brought up to date
    would roll the service back, and the plan shows two digests only.

    running      service -> image of the task definition that runs
    of_checkout  what is pinned was made of this checkout just now, and not taken from the file
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
            raise _older(session.settings, service, f"{wanted} of {ages[0]:%Y-%m-%d %H:%M}",
                         f"{runs} of {ages[1]:%Y-%m-%d %H:%M}", of_checkout)


def _older(settings: Settings, service: str, wanted: str, runs: str, of_checkout: bool) -> Refused:
    if of_checkout:
        return Refused(
            f"{service}: this checkout's image is older than the one that runs (a revert, or a checkout that is behind): "
            f"this would roll the service back. This checkout's: {wanted}. Running: {runs}. Bring the checkout up to date "
            f"(git pull), or, where the older image is wanted, say {ALLOW_OLDER}.",
            run=f"git pull, or {settings.command('deploy', ALLOW_OLDER)}")
    return Refused(
        f"{service}: {settings.images_file.name} pins an older image than the one that runs: this would roll it back. "
        f"Pinned: {wanted}. Running: {runs}. Bring the file up to date (git pull), or say {ALLOW_OLDER}.",
        run=settings.command("docker.digest"))


def _put(file: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> bool:
    content = _content(file)
    images = dict(sorted(change(content["images"]).items()))
    text = json.dumps({**content, "images": images}, indent=2, ensure_ascii=False) + "\n"
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    files.replace(file, text.encode())
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
