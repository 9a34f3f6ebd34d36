"""The end of the shared key, for who really wants it: what must be true before, and the deletion that can be taken back.

The key is never part of a teardown's plan. Scheduled here, it lives on for 30 days, the most that AWS gives, and as
long as it does `kms.rescue` brings it back with all that was encrypted with it.
"""

from __future__ import annotations

from .. import keys, neighbours, parameter_store
from ..console import Failed, Refused
from ..keys import Key, KeyState
from ..session import Session, error_code
from . import exports
from .refusals import NOT_ALLOWED, Refusal

DAYS = 30
LEAVE = "Leave --destroy-key away; the key costs a dollar a month."


def find(session: Session) -> Key:
    """The key behind the workspace's alias. Raises Refused (3) when there is none, or it is to be deleted already."""
    key = keys.find(session)
    if key is None:
        raise Refused(f"There is no {session.settings.key_alias} in account {session.settings.account}: there is no key to "
                      "destroy.")
    if key.state is KeyState.PendingDeletion:
        raise Refused(f"{key.alias} is to be deleted on {key.dies_at:%Y-%m-%d} already.",
                      run=session.settings.command("kms.rescue"))
    return key


def refusals(session: Session, key: Key, exported: bool) -> list[Refusal]:
    """What speaks against the key's deletion: who else uses it, a state that holds it, no copy of our own secrets."""
    found = []
    others = sorted(set(parameter_store.services(session, keys.names_of(session, key))) - set(exports.services(session)))
    if others:
        found.append(Refusal(key.alias, f"It encrypts the secrets of {', '.join(others)}, too: they would be lost.", LEAVE))
    found += _grants(session, key)
    around = neighbours.look(session)
    for holder in around.holders("aws_kms_key", key.id):
        found.append(Refusal(key.alias, f"The state {holder} holds it, too.", LEAVE))
    for unread in around.unread:
        found.append(Refusal(key.alias, f"These credentials may not read {unread}: a project there may need it.",
                             "Leave --destroy-key away, or use credentials that may."))
    if not exported:
        found.append(Refusal(key.alias, "There is no copy of this workspace's own secrets, which go with it.",
                             "Add --export-secrets FOLDER."))
    return found


def _grants(session: Session, key: Key) -> list[Refusal]:
    """Who was given the use of the key without a policy: disks, databases, roles of other accounts."""
    try:
        pages = session.client("kms").get_paginator("list_grants").paginate(KeyId=key.id)
        users = sorted({grant.get("GranteePrincipal", "somebody") for page in pages for grant in page["Grants"]})
    except Exception as error:
        if error_code(error) not in NOT_ALLOWED:
            raise
        return [Refusal(key.alias, "These credentials may not see who else was granted its use (kms:ListGrants).",
                        "Leave --destroy-key away, or use credentials that may.")]
    return [Refusal(key.alias, f"Its use is granted to {', '.join(users)}.", LEAVE)] if users else []


def schedule_deletion(session: Session, key: Key) -> None:
    """Have AWS delete the key in 30 days, if still nothing speaks against it. By the alias, which stays, it is rescued.

    The workspace is gone by then. Raises Failed when the key has found another user meanwhile, or IAM does not let it go.
    """
    if keys.find(session) != key:
        raise Failed(f"{key.alias} is not any more what it was when it was shown. No key was touched.")
    found = refusals(session, key, exported=True)
    if found:
        listed = "".join(f"\n- {each.reason}" for each in found)
        raise Failed(f"{key.alias} is needed now and was left alone:{listed}")
    try:
        session.client("kms").schedule_key_deletion(KeyId=key.id, PendingWindowInDays=DAYS)
    except Exception as error:
        if error_code(error) not in NOT_ALLOWED:
            raise
        raise Failed(f"IAM does not let these credentials schedule {key.alias} for deletion (kms:ScheduleKeyDeletion): "
                     "every role of `invoke doctor --policy` denies it on purpose, so the command below has to be run as "
                     "somebody with rights of their own, an administrator of the account.") from None
