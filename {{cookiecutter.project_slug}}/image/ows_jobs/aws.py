"""S3, and only S3: one object, or the names below a prefix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

from .failures import Misconfigured, Unavailable

PUBLIC = ("y", "t", "yes", "true", "1")  # what OWS takes for a yes in AWS_NO_SIGN_REQUEST


class Store:
    """A client of S3, as OWS itself would reach it: unsigned, or paying for the request, when the environment says so."""

    def __init__(self) -> None:
        import boto3  # 0.2 s, which a start without S3 need not wait for
        from botocore import UNSIGNED
        from botocore.config import Config

        options: dict = {"retries": {"mode": "standard", "max_attempts": 5}}
        if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3"):
            options["s3"] = {"addressing_style": "path"}  # a bucket is no host name of an embedded AWS
        if os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in PUBLIC:
            options["signature_version"] = UNSIGNED
        payer = os.environ.get("AWS_REQUEST_PAYER", "").lower() == "requester"
        self._extra = {"RequestPayer": "requester"} if payer else {}
        self._client = boto3.client("s3", config=Config(**options))

    def read(self, url: str) -> bytes:
        bucket, key = parts(url)
        with _sentences(url):
            return self._client.get_object(Bucket=bucket, Key=key, **self._extra)["Body"].read()

    def names(self, url: str) -> Iterator[str]:
        """The URLs of all objects whose key begins with the URL's, sorted as S3 sorts them."""
        bucket, prefix = parts(url)
        with _sentences(url):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **self._extra)
            for page in pages:
                for found in page.get("Contents", []):
                    yield f"s3://{bucket}/{found['Key']}"


def parts(url: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key. Raises Misconfigured for anything else."""
    parsed = urlparse(url)
    if parsed.scheme != "s3" or not parsed.netloc:
        raise Misconfigured(f"{url} is no address in S3: s3://bucket/key was expected.")
    return parsed.netloc, parsed.path.lstrip("/")


@contextmanager
def _sentences(url: str) -> Iterator[None]:
    """Turns what boto3 raises into a sentence that names the address."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        raise Unavailable(f"{url} cannot be read: {said.get('Code')}: {said.get('Message')}.") from error
    except BotoCoreError as error:
        raise Unavailable(f"{url} cannot be read: {error}") from error
