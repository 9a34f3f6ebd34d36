"""The OWS configuration that this container runs with: ``python3 -m ows_jobs.configuration FILE`` writes it.

It is the one in the image, or the one that OWS_CONFIG_URL names (s3://bucket/key.json). Files that it includes are put
in their places, because they lie beside the original and not beside the copy. Where it leaves ``global.allowed_urls``
empty, OWS_PUBLIC_URL is set there: OWS would announce addresses relative to nothing, which no client can follow.
Every container start waits for this, so nothing of datacube is imported.
"""

from __future__ import annotations

import json
import os
import posixpath
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .aws import Store
from .failures import JobFailed, Misconfigured

IN_THE_IMAGE = Path(__file__).resolve().parents[1] / "ows_config" / "ows.json"
HELP = "invoke service.status"


def effective(address: str, read: Callable[[str], bytes], public_url: str = "") -> dict[str, Any]:
    """The whole configuration at an address (a path or URL that ``read`` understands)."""
    configuration = _load(address, read, ())
    if not isinstance(configuration, dict) or not isinstance(configuration.get("global"), dict):
        raise Misconfigured(f"{address} is no OWS configuration: an object with a section 'global' was expected.")
    if public_url and not configuration["global"].get("allowed_urls"):
        configuration["global"]["allowed_urls"] = [public_url.rstrip("/")]
    return configuration


def _load(address: str, read: Callable[[str], bytes], inside: tuple[str, ...]) -> Any:
    if address in inside:
        raise Misconfigured(f"{address} includes itself, by way of {', '.join(inside)}.")
    try:
        document = json.loads(read(address))
    except OSError as error:
        raise Misconfigured(f"The OWS configuration {address} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Misconfigured(f"The OWS configuration {address} is no JSON: {error}.") from error
    return _expand(document, address, read, (*inside, address))


def _expand(value: Any, address: str, read: Callable[[str], bytes], inside: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_expand(item, address, read, inside) for item in value]
    if not isinstance(value, dict):
        return value
    if "include" in value and value.get("type", "json") == "json":
        return _load(posixpath.join(posixpath.dirname(address), value["include"]), read, inside)
    return {key: _expand(item, address, read, inside) for key, item in value.items()}


def main(target: str) -> int:
    url, public_url = os.environ.get("OWS_CONFIG_URL", ""), os.environ.get("OWS_PUBLIC_URL", "")
    try:
        if url:
            configuration = effective(url, Store().read, public_url)
        else:
            configuration = effective(str(IN_THE_IMAGE), lambda path: Path(path).read_bytes(), public_url)
        Path(target).write_text(json.dumps(configuration))
    except JobFailed as failure:
        print(f"The container cannot be configured: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
