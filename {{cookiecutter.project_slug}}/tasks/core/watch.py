"""What a waiting task shows: a live table of services on a terminal, else a line whenever something changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .console import on_terminal, say
from .containers import Service

COLUMNS = ("service", "deployment", "tasks", "healthy", "since")


class Watch:
    """What was last seen of each service, and since when it has not changed. Made to be `on_progress`."""

    def __init__(self, changed: Callable[[str], None] = lambda text: None):
        self.changed = changed
        self.rows: dict[str, tuple[str, ...]] = {}
        self.since: dict[str, float] = {}

    def __call__(self, service: Service) -> None:
        row = _row(service)
        if self.rows.get(service.name) == row:
            return
        self.rows[service.name] = row
        self.since[service.name] = time.monotonic()
        self.changed(_line(service.name, row))

    def table(self):
        """The services as a rich table."""
        from rich import box
        from rich.table import Table

        grid = Table(*COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False)
        for name, row in self.rows.items():
            grid.add_row(name, *row, f"{int(time.monotonic() - self.since[name])} s")
        return grid


@contextmanager
def shown() -> Iterator[tuple[Watch, Callable[[str], None]]]:
    """Answers (on_progress, on_say) for `containers.wait_for_all`."""
    if not on_terminal():
        yield Watch(say), say
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, highlight=False)
    watch = Watch()
    with Live(get_renderable=watch.table, console=console, transient=True):
        yield watch, lambda text: console.print(text, markup=False)
    for name, row in watch.rows.items():
        say(_line(name, row))


def _row(service: Service) -> tuple[str, ...]:
    newest = service.deployments[0] if service.deployments else None
    state = newest.state.lower().replace("_", " ") if newest else "none"
    health = service.health
    targets = f"{health.healthy} of {health.healthy + health.unhealthy}" if health.healthy or health.unhealthy else "-"
    running = newest.running if newest else service.running
    return state, f"{running} of {service.desired}", targets


def _line(name: str, row: tuple[str, ...]) -> str:
    state, tasks, targets = row
    healthy = "" if targets == "-" else f", {targets} targets healthy"
    return f"{name}: {state}, {tasks} tasks run{healthy}"
