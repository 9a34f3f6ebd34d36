"""Free text inside YAML or reStructuredText, whatever characters it holds.

HCL needs no such care: every answer that lands there has a rule that leaves no character to quote.
"""

from __future__ import annotations

import json
import re
import unicodedata


def yaml(value: str) -> str:
    """A double-quoted YAML scalar. Every JSON string is one."""
    return json.dumps(value, ensure_ascii=False)


def _escaped(value: str) -> str:
    """Text in a paragraph, with the characters escaped that would start markup."""
    return re.sub(r"([\\*`|_<>])", r"\\\1", value)


def rst_title(value: str) -> str:
    """A document's title. With a line above it too, no first character can turn it into a list or a comment;
    after an escaped space, which leaves no trace, punctuation alone cannot pass for another line."""
    title = _escaped(value) if any(character.isalnum() for character in value) else rf"\ {_escaped(value)}"
    line = "=" * max(sum(_columns(character) for character in title), 4)
    return f"{line}\n{title}\n{line}"


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
