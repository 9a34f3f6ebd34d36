"""What MiniStack's services hold, taken out and put back as plain values."""

from __future__ import annotations

from typing import Any

from ministack import app as ministack
from ministack.core.responses import AccountScopedDict
from ministack.services import s3

# MiniStack saves a bucket's settings with its state, and its objects only into files of their own. Here they stand with
# the rest, so that Terraform's state and the resources it speaks of are always of the same moment.
S3_OBJECTS = ("_object_versions", "_object_tags", "_object_acl", "_object_annotations",
              "_object_retention", "_object_legal_hold")
BODIES = "s3 objects"


def take() -> dict[str, Any]:
    """Every service's state. Threads of MiniStack may change a store meanwhile, so a walk that was disturbed is redone."""
    for _ in range(20):
        try:
            return {**{name: state() for name, state in _services().items()}, BODIES: _objects()}
        except RuntimeError:  # a dictionary changed size during iteration
            continue
    raise RuntimeError("the account does not hold still")


def put(states: dict[str, Any]) -> None:
    """Give every service its state back."""
    for name, module in ministack._state_map.items():
        if states.get(name):
            ministack._get_module(module).load_persisted_state(states[name])
    if BODIES in states:
        for place, objects in states[BODIES]["buckets"]._data.items():  # of every account, which .items() is not
            s3._buckets._data[place]["objects"] = objects
        for store in S3_OBJECTS:
            getattr(s3, store)._data.update(states[BODIES][store]._data)


def _services() -> dict[str, Any]:
    return ministack._build_persistence_save_dict()


def _objects() -> dict[str, Any]:
    buckets = AccountScopedDict()
    for place, bucket in s3._buckets._data.items():
        buckets._data[place] = bucket["objects"]
    return {"buckets": buckets, **{store: getattr(s3, store) for store in S3_OBJECTS}}
