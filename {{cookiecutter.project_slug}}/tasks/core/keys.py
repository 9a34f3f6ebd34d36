"""KMS, and only KMS: the key that encrypts chamber's secrets, found by its alias. Many projects may share it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .console import Refused, TookTooLong
from .session import Session, error_code

ADDRESS = "module.ecs_policy.aws_kms_key.parameter_store_key"
DESCRIPTION = "Encrypts the secrets that chamber keeps in the parameter store"


class KeyState(Enum):
    """What a person reads; the names are the API's (DescribeKey)."""

    Enabled = "enabled"
    Disabled = "disabled"
    PendingDeletion = "pending deletion"
    PendingImport = "waiting for imported material"
    PendingReplicaDeletion = "pending deletion of its replicas"
    Creating = "being created"
    Updating = "being updated"
    Unavailable = "unavailable"


@dataclass(frozen=True)
class Key:
    """The key that an alias resolves to.

    alias    with its ``alias/`` prefix, as chamber wants it
    id       the key id, never the ARN: an import keeps what it is given
    dies_at  UTC; only while its deletion is pending
    """

    alias: str
    id: str
    arn: str
    state: KeyState
    dies_at: datetime | None = None

    def require_usable(self, rescue: str) -> None:
        """Raise Refused (3) unless secrets can be read and written with this key now; ``rescue`` is what helps."""
        if self.state is KeyState.PendingDeletion:
            raise Refused(
                f"{self.alias} is to be deleted on {self.dies_at:%Y-%m-%d}, and every secret under it with it.",
                run=rescue,
            )
        if self.state is not KeyState.Enabled:
            raise Refused(f"{self.alias} is {self.state.value}: no secret under it can be read or written.", run=rescue)


def find(session: Session) -> Key | None:
    """The key behind the workspace's alias; None when there is no such alias."""
    alias = session.settings.key_alias
    try:
        found = session.client("kms").describe_key(KeyId=alias)["KeyMetadata"]
    except Exception as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return Key(alias, found["KeyId"], found["Arn"], KeyState[found["KeyState"]], found.get("DeletionDate"))


def rescue(session: Session, key: Key) -> Key:
    """Cancel the key's deletion, if one is pending, and enable it; answers the key as it is then."""
    kms = session.client("kms")
    if key.state is KeyState.PendingDeletion:
        kms.cancel_key_deletion(KeyId=key.id)  # AWS leaves it disabled
    kms.enable_key(KeyId=key.id)
    return find(session)


def create(session: Session) -> Key:
    """Make a key with yearly rotation and the alias on it. Two callers at once end with one alias and one key."""
    kms = session.client("kms")
    made = kms.create_key(
        Description=DESCRIPTION,
        Tags=[{"TagKey": "Created_by", "TagValue": session.settings.project.slug}],
    )["KeyMetadata"]["KeyId"]
    try:
        kms.create_alias(AliasName=session.settings.key_alias, TargetKeyId=made)
    except Exception as error:
        if error_code(error) != "AlreadyExistsException":
            raise
        kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=7)  # ours, unused, and not the one with the alias
        return _seen(session)
    kms.enable_key_rotation(KeyId=made)
    return _seen(session)


def _seen(session: Session, patience: float = 60) -> Key:
    """The key, once the alias that was just made is known everywhere in AWS: that takes some seconds."""
    deadline = time.monotonic() + patience
    while (key := find(session)) is None:
        if time.monotonic() > deadline:
            raise TookTooLong(f"{session.settings.key_alias} was made and cannot be found yet.",
                              run=session.settings.command("bootstrap"))
        time.sleep(1)
    return key
