"""What shows that a mend of the embedded AWS works: true with it, false without it. One function a mend."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from botocore.exceptions import ClientError

Clients = Callable[..., object]
Probe = Callable[[Clients], bool]
PROBES: dict[str, Probe] = {}
_numbers = itertools.count()


def probe(name: str) -> Callable[[Probe], Probe]:
    """Register what shows that a mend works: true with it, false without it."""

    def register(function: Probe) -> Probe:
        PROBES[name] = function
        return function

    return register


def new(name: str) -> str:
    return f"{name}-{next(_numbers)}"


def refusal(call: Callable, **arguments) -> str:
    """The code that the call is refused with, empty when it is not."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


from . import compute, data, network  # noqa: E402, F401  they register their probes
