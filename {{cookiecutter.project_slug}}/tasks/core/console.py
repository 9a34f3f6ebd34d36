"""What a person sees (sentences, tables, questions) and what a program sees (exit codes, JSON).

Results go to stdout; progress, warnings and questions go to stderr, so that ``--json`` can be piped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCHEMA = 1


class TaskError(Exception):
    """A sentence for the user and the exit code that programs lean on.

    message  what was wrong and what was expected
    run      the command that helps, when there is one
    """

    code = 1

    def __init__(self, message: str, run: str | None = None):
        super().__init__(message)
        self.message = message
        self.run = run


class Failed(TaskError):
    """An outside tool or AWS failed."""

    code = 1


class Refused(TaskError):
    """A guard stopped the task; nothing was changed."""

    code = 3


class BadInput(TaskError):
    """An answer, a file, a name or a value that we check is wrong."""

    code = 4


class WentWrong(TaskError):
    """The deployment was rolled back, a job failed, or a check found something wrong."""

    code = 5


class TookTooLong(TaskError):
    """Waited too long; what was waited for may still be going on."""

    code = 6


class Interrupted(TaskError):
    """Ctrl-C; the sentence says where things stand."""

    code = 130


class Terminated(TaskError):
    """SIGTERM; the sentence says where things stand."""

    code = 143


def from_aws(error: Exception) -> bool:
    """Whether an error is one of AWS's, by its module's name: boto3 is not imported for it."""
    return type(error).__module__.split(".")[0] in ("botocore", "boto3", "s3transfer")


def on_terminal(stream=None) -> bool:
    """Whether a person reads the stream (stderr unless told)."""
    return (stream or sys.stderr).isatty()


def _rich(stream):
    from rich.console import Console  # costs 60 ms, and most tasks print one sentence

    return Console(file=stream, highlight=False, no_color=bool(os.environ.get("NO_COLOR")), soft_wrap=True,
                   force_terminal=on_terminal(stream))


def _styled(text: str, style: str, stream) -> None:
    if on_terminal(stream) and style:
        _rich(stream).print(text, style=style, markup=False)
    else:
        print(text, file=stream, flush=True)


def say(text: str) -> None:
    """Progress, on stderr."""
    _styled(text, "", sys.stderr)


def warn(text: str) -> None:
    """Something that does not stop the task but should be seen, on stderr."""
    _styled(text, "yellow", sys.stderr)


def show(text: str, style: str = "") -> None:
    """A line of the result, on stdout."""
    _styled(text, style, sys.stdout)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]],
          styles: Sequence[str | None] = (), last: str | None = None) -> None:
    """A table of the result, on stdout. ``styles`` holds one rich style a row, ``last`` names the column
    that takes the rest of the line and may wrap."""
    from rich import box
    from rich.table import Table

    rows = [tuple(map(str, row)) for row in rows]
    console = _rich(sys.stdout)
    # Room for every column but the last at its full width. Rich drops columns that may not wrap and do not fit.
    needed = sum(max(map(len, cells)) + 3 for cells in zip(columns, *rows, strict=True) if cells[0] != last)
    if not on_terminal(sys.stdout):
        console.width = max(160, needed + 60)  # a file or a pipe has no width of its own: never cut an address
    elif last is not None:
        console.width = max(console.width, needed + 20)  # the terminal breaks the line; an address stays one word
    whole = last is not None
    grid = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold", no_wrap=whole and column != last)
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else None
        grid.add_row(*(_plain(cell) for cell in row), style=style)
    console.print(grid)


def _plain(cell: str):
    """A cell as it is: addresses hold square brackets, which rich would read as markup."""
    from rich.text import Text

    return Text(cell)


def emit(payload: Mapping[str, Any]) -> None:
    """One JSON object on stdout, with the contract's schema number first."""
    print(json.dumps({"schema": SCHEMA, **payload}, indent=2, default=str), flush=True)


def emit_error(error: TaskError) -> None:
    """The failure as the contract's JSON object, on stdout."""
    print(json.dumps({"error": {"code": error.code, "message": error.message, "run": error.run}}), flush=True)


def explain(error: TaskError) -> None:
    """The failure as a sentence and the command that helps, on stderr."""
    _styled(error.message, "bold red", sys.stderr)
    if error.run:
        _styled(f"  run: {error.run}", "", sys.stderr)


def confirm(question: str, yes: bool = False) -> None:
    """Go on only after a y. Raises Refused without a terminal unless ``yes``, and when the answer is no."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise Refused(f"{question} There is no terminal to answer on: add --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("Nothing was done.")
