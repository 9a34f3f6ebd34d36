"""How far a push is: live bars, one a layer, on a terminal; a line for each layer that is done elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .console import on_terminal, say

DONE = ("Pushed", "Layer already exists", "Mounted from")


@contextmanager
def shown() -> Iterator[Callable[[dict], None]]:
    """Answers the function that takes the engine's events of a push."""
    if not on_terminal():
        yield _teller()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        bars: dict[str, int] = {}

        def show(event: dict) -> None:
            layer, status = event.get("id"), event.get("status", "")
            if not layer or "aux" in event:
                return
            if layer not in bars:
                bars[layer] = progress.add_task(layer, total=None, state="")
            counted = event.get("progressDetail") or {}
            current, total = counted.get("current"), counted.get("total")
            if status.startswith(DONE):
                size = progress.tasks[bars[layer]].total or 1
                progress.update(bars[layer], completed=size, total=size, state=status)
            elif current is not None:
                # the engine counts tar's padding, too: more may be sent than there is
                progress.update(bars[layer], completed=current, total=max(total or 0, current), state=status)
            else:
                progress.update(bars[layer], state=status)

        yield show


def _teller() -> Callable[[dict], None]:
    retrying = set()

    def tell(event: dict) -> None:
        layer, status = event.get("id"), event.get("status", "")
        again = status.startswith("Retrying")
        if layer and (status.startswith(DONE) or again and layer not in retrying):  # it counts the seconds down
            say(f"{layer}: {status}")
        (retrying.add if again else retrying.discard)(layer)

    return tell
