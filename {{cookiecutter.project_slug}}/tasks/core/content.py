"""What goes into the image, as one hash: the tag of an image says what is inside, wherever it was built."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from . import machine_image
from .console import BadInput
from .settings import Settings

X86_64, ARM64 = "x86_64", "arm64"
SAME = {"amd64": X86_64, "aarch64": ARM64}  # what other systems call them


def architecture(settings: Settings) -> str:
    """``x86_64`` or ``arm64``: the instance family's, and in ``local`` this machine's."""
    if settings.is_local:
        return known(platform.machine().lower())
    return machine_image.architecture(settings.variables["instance_type"])


def known(architecture: str) -> str:
    """An architecture by the name that AWS gives it."""
    return SAME.get(architecture, architecture)


def tag(settings: Settings, folder: Path, files: Iterable[str]) -> str:
    """``<ows_version>-<12 hex>``. Raises BadInput without a version.

    files  of the folder, relative, with / between the parts; in any order
    Of each file its path, its bytes and whether it may be executed; neither owner nor times, which differ between
    checkouts. Of the build arguments those that change what is inside: the labels' do not.
    """
    project = settings.project
    for version in ("ows_version", "chamber_version"):
        if not re.fullmatch(r"\w[\w.-]*", getattr(project, version), re.ASCII):
            raise BadInput(f"invoke.yaml must say {version} in the section project: the image is made of it.")
    found = hashlib.sha256()
    for part in (project.ows_version, project.chamber_version, architecture(settings)):
        _add(found, part.encode())
    for path in sorted(files):
        file = folder / path
        _add(found, unicodedata.normalize("NFC", path).encode())
        if file.is_symlink():
            _add(found, b"link")
            _add(found, os.readlink(file).encode())
        else:
            _add(found, b"program" if file.stat().st_mode & 0o100 else b"file")
            _add(found, file.read_bytes())
    return f"{project.ows_version}-{found.hexdigest()[:12]}"


def _add(found, part: bytes) -> None:
    """With its length before it: two parts never read as one."""
    found.update(len(part).to_bytes(8, "big"))
    found.update(part)
