"""What differs between the state and the account, as a plan has seen it; and what the plan would change beside that.

A plan reads every object again and finds dozens of differences right after an apply: values that AWS or the provider has
filled in since. What counts is what an apply would put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

HIDDEN = "(sensitive)"
NOTHING = (None, "", [], {})  # the provider writes one of these when it creates and another one when it reads
KEPT = (["no-op"], ["read"])
REPLACED = (["delete", "create"], ["create", "delete"])


@dataclass(frozen=True)
class Difference:
    """One thing in the account that is not as the state has it.

    what       changed, gone, or extra: something that hangs on this resource and is in no state
    attribute  which part of it; for an extra thing, what that is
    state      what the state has; never a sensitive value
    account    what the account has; never a sensitive value
    """

    address: str
    what: str
    attribute: str = ""
    state: Any = None
    account: Any = None


@dataclass(frozen=True)
class Pending:
    """What an apply would do to a resource for another reason than a difference: mostly a changed configuration."""

    address: str
    action: str


@dataclass(frozen=True)
class Leaf:
    """A value inside a resource, at two times."""

    path: str
    before: Any
    after: Any

    def meets(self, other: Leaf) -> bool:
        """Whether both are of one value, or one of a part of the other."""
        return (self.path + ".").startswith(other.path + ".") or (other.path + ".").startswith(self.path + ".")


def read(plan: dict[str, Any]) -> tuple[tuple[Difference, ...], tuple[Pending, ...]]:
    """Differences and pending changes of a plan, given as ``terraform show -json`` tells it; each by address."""
    planned = {change["address"]: change["change"] for change in plan.get("resource_changes", ())
               if change["change"]["actions"] not in KEPT or change["change"].get("importing")}
    differences, explained = [], {}
    for drifted in plan.get("resource_drift", ()):
        address, change = drifted["address"], drifted["change"]
        if change["actions"] == ["delete"]:
            differences.append(Difference(address, "gone"))
            explained[address] = None
        elif address in planned:
            back = _planned_leaves(planned[address])
            leaves = [leaf for leaf in _drifted_leaves(change) if any(leaf.meets(other) for other in back)]
            differences += (Difference(address, "changed", leaf.path, leaf.before, leaf.after) for leaf in _once(leaves))
            explained[address] = leaves
    pending = (Pending(address, _action(change)) for address, change in planned.items()
               if not _explained(change, explained.get(address, ())))
    return (tuple(sorted(differences, key=lambda one: (one.address, one.attribute))),
            tuple(sorted(pending, key=lambda one: one.address)))


def _explained(change: dict, leaves: list[Leaf] | None) -> bool:
    """Whether an apply would do this only to put back what has changed or gone."""
    if leaves is None:
        return change["actions"] == ["create"]
    put_back = (any(back.meets(leaf) for leaf in leaves) for back in _planned_leaves(change))
    return change["actions"] == ["update"] and all(put_back)


def _action(change: dict) -> str:
    if change["actions"] in REPLACED:
        return "replace"
    return "import" if change["actions"] in KEPT else change["actions"][0]


def _drifted_leaves(change: dict) -> list[Leaf]:
    hidden = _both(change.get("before_sensitive"), change.get("after_sensitive"))
    return list(_leaves("", change["before"], change["after"], hidden, {}))


def _once(leaves: list[Leaf]) -> list[Leaf]:
    """Each tag once: the resource's own stand in tags and in tags_all, the provider's default ones in tags_all alone."""
    named = {leaf.path: leaf for leaf in leaves if not leaf.path.startswith("tags_all.")}
    for leaf in leaves:
        if leaf.path.startswith("tags_all."):
            path = leaf.path.replace("tags_all", "tags", 1)
            named[path] = replace(leaf, path=path)
    return list(named.values())


def _planned_leaves(change: dict) -> list[Leaf]:
    hidden = _both(change.get("before_sensitive"), change.get("after_sensitive"))
    return list(_leaves("", change["before"] or {}, change["after"] or {}, hidden, change.get("after_unknown")))


def _leaves(path: str, before: Any, after: Any, hidden: Any, unknown: Any) -> Iterator[Leaf]:
    """Where two values differ, as deep as both have the same shape. What is not known before the apply says nothing."""
    if unknown is True or before == after or (before in NOTHING and after in NOTHING):
        return
    if hidden is True:
        yield Leaf(path, HIDDEN, HIDDEN)
    elif _map(before) is not None and _map(after) is not None:
        before, after = _map(before), _map(after)
        for key in sorted({*before, *after}):
            inner = f"{path}.{key}" if path else key
            yield from _leaves(inner, before.get(key), after.get(key), _inside(hidden, key), _inside(unknown, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) == 1:  # a block
        yield from _leaves(path, before[0], after[0], _inside(hidden, 0), _inside(unknown, 0))
    elif _holds(hidden):
        yield Leaf(path, HIDDEN, HIDDEN)
    else:
        yield Leaf(path, before, after)


def _map(value: Any) -> dict | None:
    """A map; an empty one for what stands for it."""
    return value if isinstance(value, dict) else {} if value is None else None


def _inside(marks: Any, key: str | int) -> Any:
    """The marks (true where something is sensitive, or not known) of a part of what they mark."""
    if isinstance(marks, dict):
        return marks.get(key)
    return marks[key] if isinstance(marks, list) and isinstance(key, int) and key < len(marks) else None


def _both(one: Any, other: Any) -> Any:
    """Marks of two values of one shape: what is marked in either."""
    if one is True or other is True:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _both(one.get(key), other.get(key)) for key in {*one, *other}}
    if isinstance(one, list) and isinstance(other, list):
        longest = max(len(one), len(other))
        return [_both(_inside(one, place), _inside(other, place)) for place in range(longest)]
    return one or other


def _holds(marks: Any) -> bool:
    """Whether anything at all is marked."""
    if isinstance(marks, (dict, list)):
        return any(_holds(mark) for mark in (marks.values() if isinstance(marks, dict) else marks))
    return marks is True
