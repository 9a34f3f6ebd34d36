"""What all finders share: what they answer, and how they read AWS's lists and tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..session import Session, error_code

Tags = dict[str, str]


@dataclass(frozen=True)
class Found:
    """An object in the account that fits the arguments.

    id       what ``terraform import`` wants for its type
    tags     None where they say nothing: the type has none, or none of the project's
    pending  AWS's word for it while it is still being made, and must not be changed yet
    """

    id: str
    tags: Tags | None = None
    pending: str = ""


@dataclass(frozen=True)
class Finder:
    """candidates  answers every living object that fits the arguments;  needs  the arguments it cannot do without."""

    candidates: Callable[[Session, dict], Iterable[Found]]
    needs: tuple[str, ...]


def by(candidates: Callable[[Session, dict], Iterable[Found]], *needs: str) -> Finder:
    """``by(_subnets, "vpc_id", "cidr_block")``: how a type is found, and by what."""
    return Finder(candidates, needs)


def items(client, operation: str, listed: str, **arguments) -> Iterator[dict]:
    """Every item of a list, whatever the number of pages; ``listed`` is its place in an answer (JMESPath)."""
    yield from client.get_paginator(operation).paginate(**arguments).search(listed)


def unless(absent: str | tuple[str, ...], ask: Callable):
    """AWS's answer, or None when it says that there is no such thing."""
    try:
        return ask()
    except Exception as error:
        if error_code(error) in ((absent,) if isinstance(absent, str) else absent):
            return None
        raise


def tags(listed: Iterable[dict] | None) -> Tags:
    """``[{"Key": …, "Value": …}]`` in either spelling."""
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value", "")) for tag in listed or ()}


def filters(**values: str) -> list[dict]:
    """``filters(vpc_id="vpc-1")`` as EC2 takes them."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def made_from(name: str, prefix: str) -> bool:
    """Whether the provider made this name from a ``name_prefix``: it appends a time and a count, 26 hex digits."""
    return name.startswith(prefix) and re.fullmatch(r"[0-9a-f]{26}", name[len(prefix):]) is not None
