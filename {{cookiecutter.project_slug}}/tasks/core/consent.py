"""Consent to what cannot be taken back: the environment's name, typed at the terminal or given with ``--confirm``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .console import Refused
from .settings import Settings


def names_of(settings: Settings) -> tuple[str, ...]:
    """What counts as the environment's name: <project>-<workspace>, in ``local`` also ``local``. The last is asked for."""
    return (settings.id, settings.workspace) if settings.is_local else (settings.id,)


def typed(wanted: Sequence[str], confirm: str, what: str, run: str) -> None:
    """Go on only when ``confirm`` is one of the wanted names; without it, ask for the last of them on a terminal.

    what  completes "Type NAME to …"
    run   the whole command that says yes without a terminal, with its --confirm
    Raises Refused (3) for any other name, and when there is no terminal to type it on.
    """
    if not confirm and sys.stdin is not None and sys.stdin.isatty():
        print(f"Type {wanted[-1]} to {what}: ", end="", file=sys.stderr, flush=True)
        confirm = sys.stdin.readline().strip()
    if confirm not in wanted:
        raise Refused(f"Nothing was changed: to {what}, {wanted[-1]} has to be typed.", run=run)
