"""How far an apply is, from Terraform's events: what is done of all, what is waited for and since when."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

from .console import on_terminal, say

QUIET = 30  # seconds without a line before one says what is waited for, where no terminal shows it live
VERBS = {"create": "created", "update": "changed", "delete": "destroyed"}


class Progress:
    """Fed with events, it knows ``done`` of ``total`` and ``waiting`` (address -> monotonic time of its start)."""

    def __init__(self, total: int):
        self.total = total
        self.done = 0
        self.waiting: dict[str, float] = {}

    def feed(self, event: dict) -> str | None:
        """Take an event; answers the line that tells of it, if it is worth one."""
        hook = event.get("hook", {})
        if hook.get("action") == "read":
            return None
        kind, address = event.get("type"), hook.get("resource", {}).get("addr", "")
        if kind == "apply_start":
            self.waiting[address] = time.monotonic()
        elif kind == "apply_progress":  # of a run that was found again, too: it has waited longer than we have watched
            self.waiting[address] = time.monotonic() - hook.get("elapsed_seconds", 0)
        elif kind == "apply_complete":
            self.waiting.pop(address, None)
            self.done += 1
            return f"{self.counter} {address} {VERBS.get(hook.get('action'), 'done')}{_took(hook.get('elapsed_seconds', 0))}"
        elif kind == "apply_errored":
            self.waiting.pop(address, None)
            return f"{self.counter} {address} failed"
        return None

    @property
    def counter(self) -> str:
        total = str(max(self.total, self.done))
        return f"[{str(self.done).rjust(len(total))}/{total}]"

    def waits(self, most: int = 3) -> str:
        """What is being waited for, longest first."""
        now = time.monotonic()
        oldest = sorted(self.waiting.items(), key=lambda item: item[1])
        named = ", ".join(f"{address} {int(now - since)} s" for address, since in oldest[:most])
        more = f" and {len(oldest) - most} more" if len(oldest) > most else ""
        return f"waiting for {named}{more}" if named else "working"


@contextmanager
def shown(progress: Progress):
    """Answers (on_event, tick) for ``runs.follow``: live at the foot of a terminal, else a line for each event."""
    if on_terminal():
        from rich.console import Console
        from rich.text import Text  # not markup: addresses hold square brackets

        console = Console(file=sys.stderr, highlight=False)
        with console.status("") as status:

            def live(event: dict) -> None:
                if line := progress.feed(event):
                    console.print(line, markup=False)

            yield live, lambda: status.update(Text(f"{progress.counter} {progress.waits()}"))
        return

    last = time.monotonic()

    def told(event: dict) -> None:
        nonlocal last
        if line := progress.feed(event):
            say(line)
            last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last > QUIET:
            say(f"{progress.counter} {progress.waits()}")
            last = time.monotonic()

    yield told, tick


def _took(seconds: float) -> str:
    return f" after {int(seconds)} s" if seconds >= 1 else ""
