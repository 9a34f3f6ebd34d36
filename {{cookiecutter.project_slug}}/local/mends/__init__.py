"""What MiniStack 1.5.33 gets wrong for this project's stack, one named mend each.

A mend is a function that changes MiniStack when it is called; its sentence says what breaks without it. Each hangs on
names inside MiniStack, so the version is pinned, and each has a test that fails when it is left out.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType


class Unknown(Exception):
    """A mend's name that does not exist."""


@dataclass(frozen=True)
class Mend:
    """One mend: its name (``service.what``), what breaks without it, the function that applies it, and whether it is
    for a server whose containers really run."""

    name: str
    without: str
    apply: Callable[[], None]
    containers: bool


_registered: dict[str, Mend] = {}
_applied: list[str] = []


def mend(name: str, without: str, containers: bool = False) -> Callable:
    """Register the decorated function as a mend."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        _registered[name] = Mend(name, without, apply, containers)
        return apply

    return register


def registered() -> list[Mend]:
    """All mends, by name. Reads their files, which import MiniStack only when they are applied."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_registered.values(), key=lambda each: each.name)


def apply(without: Iterable[str] = (), containers: bool = False) -> None:
    """Apply all mends except the named ones. Raises Unknown for a name that is none.

    containers  whether they really run; a mend that is for this alone is left out otherwise
    """
    all_mends = registered()
    unknown = set(without) - {each.name for each in all_mends}
    if unknown:
        raise Unknown(f"There is no mend called {', '.join(sorted(unknown))}.")
    for each in all_mends:
        if each.name not in without and (containers or not each.containers):
            each.apply()
            _applied.append(each.name)


def applied() -> list[str]:
    """The names of the mends in force."""
    return list(_applied)


def around(module: ModuleType, action: str) -> Callable:
    """Replace one API action of a service; the decorated function gets the replaced one as its first argument."""

    def replace(function: Callable) -> Callable:
        module._ACTION_MAP[action] = functools.partial(function, module._ACTION_MAP[action])
        return function

    return replace


def around_function(module: ModuleType, name: str) -> Callable:
    """The same for a function that its module calls by name."""

    def replace(function: Callable) -> Callable:
        setattr(module, name, functools.partial(function, getattr(module, name)))
        return function

    return replace
