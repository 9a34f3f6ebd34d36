"""Secrets that a person types or a program pipes in: hidden, and never taken from the command line."""

from __future__ import annotations

import getpass
import os
import sys

from .console import BadInput, Refused

PASSPHRASE = "CHAMBER_BACKUP_PASSPHRASE"


def value(of: str, singleline: bool = False) -> str:
    """A secret from a hidden prompt, asked twice, or from stdin.

    One line loses its line end, which an echo or an editor put there; several lines are kept byte for byte.
    With ``singleline`` only the first line counts.
    """
    if sys.stdin is None:
        raise Refused(f"There is neither a terminal nor a pipe to read the value of {of} from.")
    if sys.stdin.isatty():
        return _asked(f"Value of {of}: ", twice=True)
    text = decode(sys.stdin.buffer.read(), "stdin")
    first, end, rest = text.partition("\n")
    if singleline or not rest:
        return first.removesuffix("\r") if end else first
    return text


def passphrase(twice: bool) -> str:
    """The passphrase of a backup: from the environment, else from a hidden prompt."""
    given = os.environ.get(PASSPHRASE, "")
    if not given and (sys.stdin is None or not sys.stdin.isatty()):
        raise Refused(f"A backup needs a passphrase: there is no terminal to ask on, and {PASSPHRASE} is not set.")
    given = given or _asked("Passphrase of the backup: ", twice)
    if not given:
        raise BadInput("The passphrase is empty.")
    return given


def decode(content: bytes, source: str) -> str:
    """Raises BadInput for what is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{source} is not UTF-8 text; encode binary secrets, for example with base64.") from None


def _asked(prompt: str, twice: bool) -> str:
    try:
        typed = getpass.getpass(prompt, stream=sys.stderr)
        if twice and getpass.getpass("Again: ", stream=sys.stderr) != typed:
            raise BadInput("The two differ; nothing was written.")
    except EOFError:
        raise Refused("Nothing was typed; nothing was written.") from None
    return typed
