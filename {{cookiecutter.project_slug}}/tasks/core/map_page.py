"""The page that shows a map service: one file that needs nothing beside it, written from ``tasks/map``."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import webbrowser
from datetime import datetime, timezone
from pathlib import Path

SOURCE = Path("tasks/map")


def render(root: Path, title: str, url: str, capabilities: bytes, now: datetime | None = None) -> str:
    """The page with everything in it: style, scripts, the service's address, and what the service said of itself.

    The page asks the service again when it is opened; what it said now serves where a browser may not read the answer
    (OWS allows that only with ``response_headers`` in its configuration). Maps are pictures, which any page may show.
    """
    folder = root / SOURCE
    taken = (now or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M UTC")
    told = {"title": title, "url": url, "taken": taken, "capabilities": capabilities.decode("utf-8", "replace")}
    # In a script's element only "<" could end it, and JSON has another way to write that.
    inlined = {
        "style": lambda name: f"<style>\n{(folder / name).read_text(encoding='utf-8')}</style>",
        "script": lambda name: f"<script>\n{(folder / name).read_text(encoding='utf-8')}</script>",
    }
    page = (folder / "index.html").read_text(encoding="utf-8")
    page = re.sub(r'<link rel="stylesheet" href="([\w./]+)">', lambda match: inlined["style"](match[1]), page)
    page = re.sub(r'<script src="([\w./]+)"></script>', lambda match: inlined["script"](match[1]), page)
    safe = json.dumps(told).replace("<", "\\u003c")
    page = page.replace('type="application/json">{}<', f'type="application/json">{safe}<')
    return page.replace("<title>Map</title>", f"<title>{html.escape(title)}</title>")


def open_in_browser(file: Path) -> bool:
    """Open a file in the user's browser; answers whether there is one. A browser of the terminal would take it over."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return bool(os.environ.get("BROWSER")) and webbrowser.open(file.as_uri())
    return webbrowser.open(file.as_uri())
