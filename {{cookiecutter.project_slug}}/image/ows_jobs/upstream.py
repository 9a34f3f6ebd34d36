"""datacube's and OWS's own commands, run in this process: each would import for seconds in one of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import click
from datacube.index.exceptions import IndexSetupError
from sqlalchemy.exc import SQLAlchemyError

from .database import one_line
from .failures import JobFailed


def datacube(*arguments: str) -> None:
    """``datacube ARGUMENTS``. Raises JobFailed when it does not succeed."""
    from datacube.scripts.cli_app import cli

    _run(cli, "datacube", arguments)


def datacube_ows_update(*arguments: str) -> None:
    """``datacube-ows-update ARGUMENTS``. Raises JobFailed when it does not succeed."""
    from datacube_ows.update_ranges import main

    _run(main, "datacube-ows-update", arguments)


@contextmanager
def quietly() -> Iterator[StringIO]:
    """Holds back what is printed and logged inside, and shows it when the step fails: it may be the reason then. Of a
    step that goes well it only looks like one ("succeeded(?) with rowcount -1")."""
    said = StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            yield said
    except BaseException:
        print(said.getvalue(), end="", file=sys.stderr, flush=True)
        raise


def _run(command: click.Command, name: str, arguments: tuple[str, ...]) -> None:
    said = f"{name} {' '.join(arguments)}"
    print(f"Running `{said}`.")
    try:
        with quietly():
            command.main(args=list(arguments), prog_name=name, standalone_mode=False)
    except SystemExit as ended:
        if ended.code:
            raise JobFailed(f"`{said}` failed with exit code {ended.code}; its reason is above.") from ended
    except (click.ClickException, IndexSetupError, SQLAlchemyError) as error:
        raise JobFailed(f"`{said}` failed: {one_line(error)}") from error
