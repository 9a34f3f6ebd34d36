"""What was called, and which IAM actions that is: nearly always the operation's own name."""

from __future__ import annotations

import functools
import json
from pathlib import Path

ROLES = {
    "plan": "look: plan, drift, output, doctor, service.status, logs.tail; reads no secret and changes nothing",
    "deploy": "change: bootstrap, deploy, apply, the chamber and service tasks, pushing the image",
    "destroy": "take the stack down; chamber's key and its alias stay",
    "remove": "bootstrap.remove: take away the state bucket and the repository, which every workspace of the account shares",
}

TRIED = ("plan", "deploy")  # with IAM enforced in the embedded AWS, by the template's tests

# Whoever changes something plans it first.
BESIDE = {"plan": (), "deploy": ("plan",), "destroy": ("plan",), "remove": ("plan",)}

RECORD = Path(__file__).with_name("recorded.json")

# A signature's name of a service -> IAM's, where they differ.
PREFIXES = {"monitoring": "cloudwatch"}

# Operations whose action has another name.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
RENAMED = {
    "s3": {
        "CopyObject": ("GetObject", "PutObject"),
        "DeleteBucketLifecycle": ("PutLifecycleConfiguration",),
        "DeleteObjects": ("DeleteObject",),
        "DeletePublicAccessBlock": ("PutBucketPublicAccessBlock",),
        "GetBucketEncryption": ("GetEncryptionConfiguration",),
        "GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration",),
        "GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
        "HeadBucket": ("ListBucket",),
        "HeadObject": ("GetObject",),
        "ListBuckets": ("ListAllMyBuckets",),
        "ListObjects": ("ListBucket",),
        "ListObjectsV2": ("ListBucket",),
        "ListObjectVersions": ("ListBucketVersions",),
        "PutBucketEncryption": ("PutEncryptionConfiguration",),
        "PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration",),
        "PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
    },
}


def actions(role: str) -> set[str]:
    """The IAM actions of the calls that were recorded for a role."""
    record = _record()  # of `remove` there is none: a life of a stack does not end with it
    return {action for each in (role, *BESIDE[role]) for service, operations in record.get(each, {}).items()
            for operation in operations for action in of_operation(service, operation)}


def of_operation(service: str, operation: str) -> list[str]:
    """The IAM actions of one call; service as the request was signed for it."""
    names = RENAMED.get(service, {}).get(operation, (operation,))
    return [f"{PREFIXES.get(service, service)}:{name}" for name in names]


@functools.cache
def _record() -> dict[str, dict[str, list[str]]]:
    return json.loads(RECORD.read_text(encoding="utf-8"))
