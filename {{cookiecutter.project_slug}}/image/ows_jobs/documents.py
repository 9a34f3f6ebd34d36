"""YAML and JSON documents from where the tfvars say.

Products are ``image/...`` (below /ows in the image), ``s3://bucket/...`` or ``https://...``; datasets lie below
``image/folder``, ``s3://bucket/folder`` or ``/folder``, a folder of the file system that is mounted into the container.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import urlopen

import yaml

from .aws import Store
from .failures import JobFailed, Misconfigured, Unavailable

IMAGE = Path(__file__).resolve().parents[1]
PRODUCTS = "image/..., s3://bucket/... or https://..."
SOURCES = "s3://bucket/folder, image/folder or /folder"


def setting(name: str) -> list:
    """A JSON list that the task definition gives in a variable; an empty one where it gives none."""
    try:
        value = json.loads(os.environ.get(name) or "[]")
    except ValueError as error:
        raise Misconfigured(f"{name} is no JSON: {error}.", "invoke service.status") from error
    if not isinstance(value, list):
        raise Misconfigured(f"{name} is no list.", "invoke service.status")
    return value


class Reader:
    """Finds and reads documents; makes a client of S3 when the first address needs one."""

    def __init__(self) -> None:
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        self._store = self._store or Store()
        return self._store

    def files(self, place: str) -> list[str]:
        """The addresses of one entry of ``products``: a file, a pattern of files in the image, or a URL."""
        if _scheme(place) in ("s3", "http", "https"):
            return [place]
        found = sorted(glob.glob(str(_in_image(place, PRODUCTS)), recursive=True))
        if not found:
            raise Misconfigured(f"There is no {place} in the image.", "invoke docker.build")
        return [Path(path).as_uri() for path in found]

    def below(self, source: str, pattern: str) -> Iterator[str]:
        """The addresses below one source of ``index`` whose name, seen from there, matches the pattern. A ``*`` goes
        through folders too."""
        if _scheme(source) == "s3":
            folder = f"{source.rstrip('/')}/"
            for url in self.store.names(folder):
                if fnmatchcase(url[len(folder):], pattern):
                    yield url
            return
        place = Path(source) if source.startswith("/") else _in_image(source, SOURCES)
        for path in sorted(place.rglob("*")):
            if path.is_file() and fnmatchcase(path.relative_to(place).as_posix(), pattern):
                yield path.as_uri()

    def read(self, address: str) -> list[dict[str, Any]]:
        """The documents in one file. Raises JobFailed when it cannot be read or is no such file."""
        text = self._bytes(address)
        try:
            documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
        except yaml.YAMLError as error:
            raise JobFailed(f"{address} is no YAML: {' '.join(str(error).split())}.") from error
        if not documents or not all(isinstance(document, dict) for document in documents):
            raise JobFailed(f"{address} holds no document.")
        return documents

    def _bytes(self, address: str) -> bytes:
        if _scheme(address) == "s3":
            return self.store.read(address)
        try:
            with urlopen(address, timeout=30) as answer:  # noqa: S310  https, http, or a file that `files` found
                return answer.read()
        except (URLError, OSError) as error:
            raise Unavailable(f"{address} cannot be read: {getattr(error, 'reason', error)}.") from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Dates stay text, as datacube stores them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _scheme(place: str) -> str:
    return urlparse(place).scheme


def _in_image(place: str, expected: str) -> Path:
    if not place.startswith("image/"):
        raise Misconfigured(f"{place} is no place that a job can read: {expected} was expected.", "invoke service.status")
    return IMAGE / place.removeprefix("image/")
