"""Objects in an embedded account, and how its server ends: for tests of what comes back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tasks.core import embedded_aws

BUCKET = "state-of-the-stack"
QUICK = ["--save-every", "0.1"]


def store(aws, key: str, body: bytes) -> None:
    s3 = aws("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def stored(aws, key: str) -> bytes:
    return aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def saved(home: Path) -> None:
    embedded_aws._ask(embedded_aws.look(home).endpoint, "/_local/save", "POST")


def kill(server: embedded_aws.Server, home: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    assert embedded_aws._until(lambda: not embedded_aws.look(home).running and not embedded_aws._held(home), 5)
