"""The OWS configuration where it lies in S3: which version of it the tasks would read now."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from .console import BadInput, warn
from .session import Session, error_code
from .state_bucket import whole


def in_s3(session: Session) -> dict[str, str]:
    """Address -> ETag of the OWS configuration and of all that it includes, as far as they are in S3.

    For who may not read it (the tasks may) a change goes unnoticed, which is said.
    """
    found, left = {}, [session.settings.variables.get("ows_config") or ""]
    while left:
        address = left.pop()
        if address in found or not address.startswith("s3://"):
            continue
        try:
            found[address], document = _read(session, address)
        except Exception as error:
            if error_code(error) not in ("AccessDenied", "403"):
                raise
            warn(f"These credentials may not read {address} (s3:GetObject), or it is not there: deploy does not notice "
                 "when it changes.")
            return {}
        left += _included(document, address)
    return found


def _read(session: Session, address: str) -> tuple[str, Any]:
    """ETag and content of a JSON object in S3. Raises BadInput."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    try:
        content, etag = whole(session.client("s3"), Bucket=bucket, Key=key)
        return etag, json.loads(content)
    except ValueError as error:
        raise BadInput(f"The OWS configuration {address} is no JSON: {error}.") from None
    except Exception as error:
        if error_code(error) not in ("NoSuchKey", "NoSuchBucket", "404"):
            raise
        named = session.settings.variables["ows_config"]
        which = f"ows_config in {session.settings.tfvars.name} names it" if named == address else f"{named} includes it"
        raise BadInput(f"The OWS configuration {address} is not there; {which}.") from None


def _included(document: Any, address: str) -> list[str]:
    """The addresses that a document includes; as ows_jobs/configuration.py finds them."""
    if isinstance(document, dict):
        if isinstance(document.get("include"), str) and document.get("type", "json") == "json":
            return [posixpath.join(posixpath.dirname(address), document["include"])]
        document = list(document.values())
    return [found for each in document for found in _included(each, address)] if isinstance(document, list) else []
