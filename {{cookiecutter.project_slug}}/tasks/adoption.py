"""Into the state and out of it: what `kms` and `logs` have in common. Nothing is changed in the account.

Every plan adopts the same by its import blocks; this is for doing only that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import applying, planning, steps
from .core import adoption_root, kept_state, state_bucket, state_file
from .core.console import warn
from .core.neighbours import Neighbourhood
from .core.session import Session
from .core.state_file import State


def state_of(session: Session) -> State:
    """The workspace's state, empty before the first deployment."""
    return state_file.load(session) if state_bucket.exists(session) else state_file.EMPTY


def adopt(session: Session, objects: Mapping[str, str]) -> None:
    """Put existing objects, address -> id, into the state: all of them in one plan that can do nothing else."""
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    saved = planning.plan_adoption(terraform_, session, adoption_root.write(session.settings, objects), objects)
    applying.apply_adoption(terraform_, session, saved)


def forget(session: Session, addresses: Iterable[str]) -> None:
    """Take objects out of the state. They stay in the account as they are."""
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    with planning.undisturbed(session):
        kept_state.require_saved(session.settings)
        terraform_.state_rm(addresses)


def tell_unread(around: Neighbourhood) -> None:
    """Say which states may not be read: whoever they belong to may manage the same objects."""
    if around.unread:
        warn(f"Not read: {', '.join(around.unread)}. Whether the same is managed there is not known.")
