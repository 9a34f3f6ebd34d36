"""KMS, and only KMS: the key that encrypts chamber's secrets, found by its alias. Many projects may share it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .console import Refused, TookTooLong
from .session import Session, error_code
from .state_file import State

ADDRESS = "module.ecs_policy.aws_kms_key.parameter_store_key"
ALIAS_ADDRESS = "module.ecs_policy.aws_kms_alias.parameter_store_key"
DESCRIPTION = "Encrypts the secrets that chamber keeps in the parameter store"
OWN_MATERIAL = "AWS_KMS"  # the origin of a key that AWS made itself
ABSENT = "absent"  # what stands for the state where the alias leads to no key


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


# What helps where neither enabling the key nor cancelling its deletion does.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
BEYOND_RESCUE = {
    KeyState.PendingImport: "Its material came from outside, and was deleted, has expired, or was never imported. Whoever "
                            "has it must import the very same again: aws kms get-parameters-for-import, then aws kms "
                            "import-key-material.",
    KeyState.PendingReplicaDeletion: "It is the primary of a multi-Region key, and goes when the last of its replicas has "
                                     "gone. Whoever manages the replicas must call that off, in the console or with aws kms "
                                     "cancel-key-deletion in each region.",
    KeyState.Creating: "AWS is making this replica of a multi-Region key. Try again in a minute.",
    KeyState.Updating: "AWS is making another region the primary one of this multi-Region key. Try again in a minute.",
    KeyState.Unavailable: "The key store that holds it is disconnected. Whoever manages that must connect it: aws kms "
                          "connect-custom-key-store.",
}


@dataclass(frozen=True)
class Key:
    """The key that an alias resolves to.

    alias    with its ``alias/`` prefix, as chamber wants it
    id       the key id, never the ARN: an import keeps what it is given
    dies_at  UTC; only while its deletion is pending
    origin   where its material is from: AWS_KMS, EXTERNAL (imported), or a key store
    """

    alias: str
    id: str
    arn: str
    state: KeyState
    dies_at: datetime | None = None
    origin: str = OWN_MATERIAL

    def require_usable(self, rescue: str) -> None:
        """Raise Refused (3) unless secrets can be read and written with this key now.

        rescue  the command that cancels a deletion and enables the key; named only where it helps
        """
        if self.state is KeyState.PendingDeletion:
            raise Refused(
                f"{self.alias} is to be deleted on {self.dies_at:%Y-%m-%d}, and every secret under it with it.",
                run=rescue,
            )
        self.require_rescuable()
        if self.state is not KeyState.Enabled:
            raise Refused(f"{self.alias} is {self.state.value}: no secret under it can be read or written.", run=rescue)

    def require_rescuable(self) -> None:
        """Raise Refused (3) with what helps, when the key is in a state that ``rescue`` cannot end."""
        if self.state in BEYOND_RESCUE:
            raise Refused(f"{self.alias} ({self.id}) is {self.state.value}: no secret under it can be read or written. "
                          f"{BEYOND_RESCUE[self.state]}")


def find(session: Session) -> Key | None:
    """The key behind the workspace's alias; None when there is no such alias."""
    alias = session.settings.key_alias
    try:
        found = session.client("kms").describe_key(KeyId=alias)["KeyMetadata"]
    except Exception as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return Key(alias, found["KeyId"], found["Arn"], KeyState[found["KeyState"]], found.get("DeletionDate"),
               found.get("Origin", OWN_MATERIAL))


def held(state: State) -> str | None:
    """The id of the key that a state manages; None when it manages none."""
    return _attribute(state, ADDRESS, "key_id")


def require_same(session: Session, state: State, key: Key) -> None:
    """Raise Refused (3) when the state holds another key than the alias leads to, or another alias.

    A plan would move the alias back to the old key, for everybody; or delete the old alias.
    """
    let_go = session.settings.command("kms.forget")
    managed, alias = held(state), _attribute(state, ALIAS_ADDRESS, "name")
    if managed not in (None, key.id):
        raise Refused(f"{key.alias} leads to the key {key.id}, but this project's state holds the key {managed}. Let that "
                      "go (it stays in the account, with all that it encrypts); the next plan adopts what the alias says.",
                      run=let_go)
    if alias not in (None, key.alias):
        raise Refused(f"The workspace names {key.alias}, but this project's state holds {alias}. Let that go (it stays in "
                      "the account); the next plan adopts the other.", run=let_go)


def _attribute(state: State, address: str, name: str) -> str | None:
    return next((resource.attributes.get(name) for resource in state.resources if resource.address == address), None)


def require_plannable(session: Session, state: State) -> Key:
    """The key. Raises Refused (3) unless it is there, can be used, and is the one that the state holds, if it holds one."""
    key = find(session)
    if key is None:
        raise Refused(f"There is no {session.settings.key_alias} in account {session.settings.account}.",
                      run=session.settings.command("bootstrap"))
    key.require_usable(session.settings.command("kms.rescue"))
    require_same(session, state, key)
    return key


def rotation(session: Session, key: Key) -> str:
    """Whether AWS gives the key new material every year: ``on``, ``off``, or ``not possible`` for this kind of key."""
    try:
        found = session.client("kms").get_key_rotation_status(KeyId=key.id)
    except Exception as error:
        if error_code(error) == "UnsupportedOperationException":
            return "not possible"
        if error_code(error) == "KMSInvalidStateException":
            return "off"
        raise
    if key.origin != OWN_MATERIAL:
        return "not possible"
    return "on" if found["KeyRotationEnabled"] else "off"


def other_aliases(session: Session, key: Key) -> list[str]:
    """What else leads to the key."""
    return sorted({alias["AliasName"] for alias in _aliases(session, KeyId=key.id)} - {key.alias})


def rescue(session: Session, key: Key, patience: float = 30) -> Key:
    """Cancel the key's deletion, if one is pending, and enable it; answers the key as it is then.

    Raises Refused (3) for a state that this does not end, TookTooLong (6) after ``patience`` seconds.
    """
    key.require_rescuable()
    if key.state is KeyState.PendingDeletion:
        session.client("kms").cancel_key_deletion(KeyId=key.id)  # AWS leaves it disabled
    deadline = time.monotonic() + patience
    while (now := _enabled(session, key)).state is not KeyState.Enabled:
        if time.monotonic() > deadline:
            raise TookTooLong(f"{key.alias} ({key.id}) was to be enabled, and still is {now.state.value}.",
                              run=session.settings.command("kms.rescue"))
        time.sleep(1)
    return now


def _enabled(session: Session, key: Key) -> Key:
    """The key after AWS was asked to enable it: where it does not know yet that the deletion was cancelled, it refuses."""
    try:
        session.client("kms").enable_key(KeyId=key.id)
    except Exception as error:
        if error_code(error) != "KMSInvalidStateException":
            raise
    return find(session) or key


def create(session: Session) -> Key:
    """Make a key with yearly rotation and the alias on it. Two callers at once end with one alias and one key.

    The alias comes last: what was stopped before has left a key that nobody finds by it, and that is taken up here.
    """
    kms, alias = session.client("kms"), session.settings.key_alias
    left = _left_behind(session)
    made = left or kms.create_key(
        Description=DESCRIPTION,
        Tags=[{"TagKey": name, "TagValue": value} for name, value in _tags(session).items()],
    )["KeyMetadata"]["KeyId"]
    try:
        kms.enable_key_rotation(KeyId=made)
        kms.create_alias(AliasName=alias, TargetKeyId=made)
    except Exception as error:
        if error_code(error) != "AlreadyExistsException":
            raise
        present = _seen(session)
        if not left and present.id != made:  # ours, unused, and not the one with the alias
            kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=7)
        return present
    return _seen(session)


def _tags(session: Session) -> dict[str, str]:
    """What a key is marked with from its first moment; the alias, because another one's key is not to be taken up."""
    return {"Created_by": session.settings.project.slug, "Alias": session.settings.key_alias}


def _left_behind(session: Session) -> str | None:
    """A key that this project made for this alias and that never got it, because the task was killed in between."""
    kms = session.client("kms")
    named = {alias["TargetKeyId"] for alias in _aliases(session) if "TargetKeyId" in alias}
    keys = (key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"])
    return next((key for key in sorted(keys) if key not in named and _is_ours(session, key)), None)


def _is_ours(session: Session, id: str) -> bool:
    kms = session.client("kms")
    try:
        found = kms.describe_key(KeyId=id)["KeyMetadata"]
        if found.get("Description") != DESCRIPTION or found["KeyState"] != KeyState.Enabled.name:
            return False
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=id)["Tags"]}
    except Exception as error:
        if error_code(error) in ("AccessDeniedException", "NotFoundException"):  # a key of somebody else's
            return False
        raise
    return _tags(session).items() <= tags.items()


def _aliases(session: Session, **narrowed: str) -> list[dict]:
    pages = session.client("kms").get_paginator("list_aliases").paginate(**narrowed)
    return [alias for page in pages for alias in page["Aliases"]]


def _seen(session: Session, patience: float = 60) -> Key:
    """The key, once the alias that was just made is known everywhere in AWS: that takes some seconds."""
    deadline = time.monotonic() + patience
    while (key := find(session)) is None:
        if time.monotonic() > deadline:
            raise TookTooLong(f"{session.settings.key_alias} was made and cannot be found yet.",
                              run=session.settings.command("bootstrap"))
        time.sleep(1)
    return key


def names_of_alias(session: Session) -> set[str]:
    """All that a parameter may call the workspace's alias, whether or not it leads to a key."""
    settings = session.settings
    return {settings.key_alias, f"arn:{session.partition}:kms:{settings.region}:{settings.account}:{settings.key_alias}"}


def names_of(session: Session, key: Key) -> set[str]:
    """All that a parameter may call the key: its id and ARN, and each of its aliases, by name and by ARN."""
    aliases = {key.alias, *other_aliases(session, key)}
    place = key.arn.rpartition(":")[0]
    return {key.id, key.arn, *aliases, *(f"{place}:{alias}" for alias in aliases)}
