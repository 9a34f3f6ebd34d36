"""Secrets as text, byte for byte as chamber 3.1.4 writes it, and read back from JSON.

Only forms that lose nothing: chamber's yaml, properties and tfvars change or break some values.
"""

from __future__ import annotations

import json
import re
import shlex

from .console import BadInput

# Go's encoder escapes these beside what JSON must escape
_GO = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_DOUBLE_QUOTED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", '"': '\\"', "$": "\\$", "`": "\\`"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def to_json(secrets: dict[str, str]) -> str:
    """``chamber export --format json``."""
    text = json.dumps(dict(sorted(secrets.items())), ensure_ascii=False, separators=(",", ":"))
    return text.translate(str.maketrans(_GO)) + "\n"


def to_dotenv(secrets: dict[str, str]) -> str:
    """``chamber export --format dotenv``: NAME="…" with C's escapes."""
    return "".join(f'{name}="{value.translate(str.maketrans(_DOUBLE_QUOTED))}"\n' for name, value in _variables(secrets))


def to_env(secrets: dict[str, str]) -> str:
    """``chamber env``: export lines that a shell takes back unchanged."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in _variables(secrets))


FORMATS = {"json": to_json, "dotenv": to_dotenv, "env": to_env}


def _variables(secrets: dict[str, str]) -> list[tuple[str, str]]:
    """Environment names and values in the order of the keys. Raises BadInput where a name would not do."""
    found: dict[str, str] = {}
    for key in sorted(secrets):
        name = key.replace("-", "_").replace(".", "_").upper()
        if not _VARIABLE.fullmatch(name):
            raise BadInput(f"The key {key} makes no environment variable: a name begins with a letter. Use --format json.")
        if name in found:
            raise BadInput(f"The keys {found[name]} and {key} are one environment variable, {name}. Use --format json.")
        found[name] = key
    return [(name, secrets[key]) for name, key in found.items()]


def from_json(text: str, source: str) -> dict[str, str]:
    """Keys and values of one JSON object of texts. Raises BadInput, which repeats no value."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadInput(f"{source} is not JSON{place}: expected what `chamber export --format json` writes.") from None
    if not isinstance(pairs, _Pairs):
        raise BadInput(f'{source} must hold one JSON object, {{"key": "value"}}.')
    secrets: dict[str, str] = {}
    for key, value in pairs:
        if key in secrets:
            raise BadInput(f"{source} holds the key {key!r} twice.")
        if not isinstance(value, str):
            raise BadInput(f'{source}: the value of {key!r} must be a text, in quotes: chamber would change a bare one.')
        secrets[key] = value
    return secrets


class _Pairs(list):
    """A JSON object's pairs, so that a key given twice is seen."""
