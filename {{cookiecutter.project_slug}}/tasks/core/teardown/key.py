"""The end of the shared key, for who really wants it: what must be true before, and the deletion that can be taken back.

The key is never part of a teardown's plan. Scheduled here, it lives on for 30 days, the most that AWS gives, and as
long as it does `kms.rescue` brings it back with all that was encrypted with it.
"""

from __future__ import annotations

from .. import keys, neighbours, parameter_store
from ..console import Refused
from ..keys import Key, KeyState
from ..session import Session
from . import command, exports
from .refusals import Refusal

DAYS = 30


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
    """What speaks against the key's deletion: somebody else's secrets, another state that holds it, no copy of our own."""
    settings = session.settings
    found = []
    others = sorted(set(parameter_store.services(session, {key.alias, key.id, key.arn})) - set(exports.services(session)))
    if others:
        found.append(Refusal(key.alias, f"It encrypts the secrets of {', '.join(others)}, too: they would be lost.",
                             "Leave --destroy-key away; the key costs a dollar a month."))
    around = neighbours.look(session)
    for holder in around.holders("aws_kms_key", key.id):
        found.append(Refusal(key.alias, f"The state {holder} holds it, too.", "Leave --destroy-key away."))
    for unread in around.unread:
        found.append(Refusal(key.alias, f"These credentials may not read {unread}: a project there may need it.",
                             "Leave --destroy-key away, or use credentials that may."))
    if not exported:
        found.append(Refusal(key.alias, "There is no copy of this workspace's own secrets, which go with it.",
                             f"{command(settings, '--destroy-key', '--export-secrets', 'FOLDER')}"))
    return found


def schedule_deletion(session: Session, key: Key) -> None:
    """Have AWS delete the key in 30 days. The alias stays: by it the key is found and rescued."""
    session.client("kms").schedule_key_deletion(KeyId=key.id, PendingWindowInDays=DAYS)
