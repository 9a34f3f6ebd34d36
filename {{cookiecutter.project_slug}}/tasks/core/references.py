"""Names of images: `[host[:port]/]path[:tag][@sha256:digest]`, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .console import BadInput

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>.+)")


@dataclass(frozen=True)
class Reference:
    """An image's name. ``tag`` and ``digest`` are empty when it has none."""

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def host(self) -> str:
        """The registry; Docker Hub where none is named."""
        first, slash, _ = self.repository.partition("/")
        return first if slash and (re.search(r"[.:]", first) or first == "localhost") else "docker.io"

    @property
    def ecr(self) -> tuple[str, str, str] | None:
        """Account, region and repository's name when it lives in ECR."""
        found = ECR.fullmatch(self.repository)
        return (found["account"], found["region"], found["name"]) if found else None

    def pinned(self, digest: str) -> str:
        """``repository@sha256:…``, as a task definition holds it."""
        return f"{self.repository}@{digest}"


def read(text: str) -> Reference:
    """Take a name apart. Raises BadInput. The colon before a port is no tag's."""
    name, at, digest = text.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, colon, tag = name, "", ""
    sound = NAME.fullmatch(repository) and (not colon or TAG.fullmatch(tag)) and (not at or DIGEST.fullmatch(digest))
    if not sound:
        raise BadInput(f"{text!r} does not name an image: repository:tag or repository@sha256: and 64 hex digits, for "
                       "example ghcr.io/org/name:1.0.")
    return Reference(repository, tag, digest)
