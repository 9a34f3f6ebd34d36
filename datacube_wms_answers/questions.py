"""The questions, read from `cookiecutter.json`: the one place that lists them, their order and their choices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parent.parent
_DECLARED: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))

NAMES = tuple(name for name in _DECLARED if not name.startswith("_"))
CHOICES = {name: tuple(_DECLARED[name]) for name in NAMES if isinstance(_DECLARED[name], list)}
# Read here and not taken from the answers: a replay brings the private values of the version that it was made with.
TEMPLATE_VERSION: str = _DECLARED["_template_version"]


def texts(value: Any = None) -> Iterator[str]:
    """Every text in `cookiecutter.json`."""
    value = _DECLARED if value is None else value
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
