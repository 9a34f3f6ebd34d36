"""What Terraform says while it works: its stream of JSON, one event a line, in a file."""

from __future__ import annotations

import json
from pathlib import Path


def of_file(file: Path) -> list[dict]:
    """Terraform's events in a file, as far as it was written; none when it is not there."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    return [event for line in lines if (event := of_line(line))]


def of_line(line: str) -> dict | None:
    """The event; None for what is none, such as half a line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def errors(events: list[dict]) -> list[dict]:
    """Terraform's error diagnostics: ``summary``, ``detail``, ``address``."""
    found = (event["diagnostic"] for event in events if event.get("type") == "diagnostic")
    return [diagnostic for diagnostic in found if diagnostic.get("severity") == "error"]


def warnings(events: list[dict]) -> list[str]:
    """Terraform's warnings, each once, as sentences."""
    found = (event["diagnostic"] for event in events if event.get("type") == "diagnostic")
    said = [f"{one['summary']}. {' '.join(one.get('detail', '').split())}" for one in found if one["severity"] == "warning"]
    return list(dict.fromkeys(said))
