"""The way back: what a destroy keeps, what stops it, what comes before it, and what remains after it."""

from __future__ import annotations

from ..settings import Settings


def command(settings: Settings, *flags: str) -> str:
    """`destroy` as a person types it: it has no default workspace, so `-w` is always there."""
    return " ".join(("invoke destroy -w", settings.workspace, *flags))
