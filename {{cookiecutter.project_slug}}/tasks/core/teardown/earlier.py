"""What a workspace held before earlier tries of a destroy: each has saved the state on this disk before its first delete.

The state itself forgets with each delete. What AWS keeps of a deleted resource (its snapshots, its revisions, its logs)
is found by what these copies say.
"""

from __future__ import annotations

from dataclasses import replace

from .. import state_file
from ..console import Failed
from ..session import Session
from ..state_file import State


def whole(session: Session, state: State) -> State:
    """The state, and what copies of the same lineage say of addresses that are not in it any more."""
    found = {resource.address: resource for resource in state.resources}
    for file in sorted(session.settings.private_dir("states", session.settings.workspace).glob("*.tfstate"), reverse=True):
        try:
            saved = state_file.parse(file.read_bytes())
        except (OSError, Failed, ValueError, KeyError, TypeError, AttributeError):  # not ours to judge here
            continue
        if saved.lineage == state.lineage:
            for resource in saved.resources:
                found.setdefault(resource.address, resource)
    return replace(state, resources=tuple(found.values()))
