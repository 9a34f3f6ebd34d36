"""The S3 bucket that holds Terraform's state: made safe once, checked ever after."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from .console import Refused
from .session import Session, asked_again, error_code

NONCURRENT_DAYS = 90
NONCURRENT_VERSIONS = 50  # the state's history stays; the versions that lock files leave behind do not
STATES = "env:/"  # where the S3 backend puts the state of every workspace
OLD_STATES, TLS_ONLY = "old versions of states", "OnlyOverTLS"


def ensure(session: Session) -> bool:
    """Make the bucket if there is none, and put its protection in force either way; answers whether it was made.

    Raises Refused (3) when the name belongs to another account: bucket names are global.
    """
    s3, bucket = session.client("s3"), session.settings.state_bucket
    made = not exists(session)
    if made:
        _create(s3, bucket, session.settings.region)
    # One after the other: S3 answers OperationAborted to settings that arrive together.
    owner = {"Bucket": bucket, "ExpectedBucketOwner": session.settings.account}
    if made:  # first of all: a bucket without the mark is taken for somebody else's, and never removed
        s3.put_bucket_tagging(**owner, Tagging={"TagSet": marks(session)})
    s3.put_public_access_block(**owner, PublicAccessBlockConfiguration=dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True))
    s3.put_bucket_ownership_controls(**owner, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    s3.put_bucket_policy(**owner, Policy=_policy(s3, owner, session.partition))
    if made:  # an older bucket is encrypted too, maybe under a key of somebody's choice
        s3.put_bucket_encryption(**owner, ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    s3.put_bucket_versioning(**owner, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(**owner, LifecycleConfiguration={"Rules": _lifecycle(s3, owner)})
    return made


def marks(session: Session) -> list[dict[str, str]]:
    """The tags of what `bootstrap` itself has made, by which `bootstrap.remove` knows it again."""
    return [{"Key": key, "Value": session.settings.project.slug} for key in ("Created_by", "Project")]


def exists(session: Session) -> bool:
    """Whether the bucket is there and ours. Raises Refused (3) when it is somebody else's."""
    bucket = session.settings.state_bucket
    try:
        session.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=session.settings.account)
    except Exception as error:
        if error_code(error) in ("404", "NoSuchBucket"):
            return False
        if error_code(error) in ("403", "AccessDenied", "301"):
            raise _taken(bucket, session) from None
        raise
    return True


def object_age(session: Session, key: str) -> timedelta | None:
    """How long ago the object under the key was written; None when there is none."""
    try:
        found = session.client("s3").head_object(**owned(session, key))
    except Exception as error:
        if error_code(error) in ("404", "NoSuchKey", "NoSuchBucket"):
            return None
        raise
    return datetime.now(timezone.utc) - found["LastModified"]


def read_json(session: Session, key: str) -> dict | None:
    """The JSON object under a key; None when there is none."""
    body = read(session, key)
    return None if body is None else json.loads(body)


def read(session: Session, key: str) -> bytes | None:
    """The object under a key; None when there is none."""
    return _or_none(lambda: whole(session.client("s3"), **owned(session, key))[0], "NoSuchKey")


def whole(s3, **of: str) -> tuple[bytes, str]:
    """An object's whole content and its ETag. ``of``: what get_object is told (Bucket, Key, maybe VersionId).

    A body that breaks off in the middle is asked for again: boto3 reads it only after its own attempts are over.
    """
    def ask() -> tuple[bytes, str]:
        answer = s3.get_object(**of)
        return answer["Body"].read(), answer["ETag"]

    return asked_again(ask)


def owned(session: Session, key: str) -> dict[str, str]:
    """How a call names an object of the bucket: only if the bucket is the workspace's account's."""
    return {"Bucket": session.settings.state_bucket, "Key": key, "ExpectedBucketOwner": session.settings.account}


def write_json(session: Session, key: str, content: dict) -> None:
    """Put a JSON object under a key."""
    session.client("s3").put_object(**owned(session, key), ContentType="application/json",
                                    Body=json.dumps(content).encode())


def _create(s3, bucket: str, region: str) -> None:
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **elsewhere)
    except Exception as error:
        if error_code(error) == "BucketAlreadyOwnedByYou":
            return
        if error_code(error) == "BucketAlreadyExists":
            raise Refused(f"The bucket name {bucket} is taken by another account (names are global). "
                          "Choose another one: state_bucket in invoke.yaml.") from None
        raise


def _taken(bucket: str, session: Session) -> Refused:
    return Refused(
        f"The bucket {bucket} is not account {session.settings.account}'s in {session.settings.region}, or these "
        "credentials may not see it (s3:ListBucket). Choose another name (state_bucket in invoke.yaml) or other credentials."
    )


def _policy(s3, owner: dict[str, str], partition: str) -> str:
    """The bucket's policy with our statement in it; what others have put there stays."""
    arn = f"arn:{partition}:s3:::{owner['Bucket']}"
    present = _or_none(lambda: json.loads(s3.get_bucket_policy(**owner)["Policy"]), "NoSuchBucketPolicy")
    policy = present or {"Version": "2012-10-17", "Statement": []}
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    others = [statement for statement in statements if statement.get("Sid") != TLS_ONLY]
    return json.dumps({**policy, "Statement": [*others, {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]})


def _lifecycle(s3, owner: dict[str, str]) -> list[dict]:
    """The bucket's rules with ours among them, which touches states only; what others have put there stays."""
    present = _or_none(lambda: s3.get_bucket_lifecycle_configuration(**owner)["Rules"], "NoSuchLifecycleConfiguration")
    return [*(rule for rule in present or [] if rule.get("ID") != OLD_STATES), {
        "ID": OLD_STATES,
        "Status": "Enabled",
        "Filter": {"Prefix": STATES},
        "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS, "NewerNoncurrentVersions": NONCURRENT_VERSIONS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }]


def _or_none(look, absent: str):
    try:
        return look()
    except Exception as error:
        if error_code(error) != absent:
            raise
        return None
