"""What every task has in common: its flags, its exit codes and its streams. The contract, once."""

from __future__ import annotations

import functools
import os
import signal
import sys

from invoke import Exit, Task
from invoke import task as invoke_task

from .core import console
from .core.console import Failed, Interrupted, TaskError, Terminated

WORKSPACE = {"workspace": "the workspace, a file workspaces/NAME.tfvars (default: local)"}
JSON = {"json": "one JSON object on stdout instead of text"}
YES = {"yes": "go on without asking; never consents to replacing or deleting what keeps data"}
ENDPOINT = {"endpoint_from_env": "outside local: use AWS_ENDPOINT_URL instead of refusing it"}


class _Sigterm(BaseException):
    """kill -TERM as an exception, so that a task can leave things in order. Not an Exception: nothing swallows it."""


def _on_sigterm(signum, frame):
    raise _Sigterm


def _outside(error: Exception) -> TaskError | None:
    """The sentence for an error of AWS."""
    if console.from_aws(error):
        from .core.session import explain

        return explain(error)
    return None


def task(help: dict[str, str], name: str | None = None, default: bool = False, iterable: tuple[str, ...] | list[str] = (),
         klass: type[Task] = Task):
    """Invoke's ``task`` with the contract on top: a TaskError becomes its sentence and its exit code.

    No argument is positional unless a task asks for it: a stray word must never become a value. Invoke gives each argument
    the first of its letters that none before it has: those whose short flag people lean on (-j, -f) come early.
    """

    def decorate(body):
        @functools.wraps(body)
        def framed(context, *args, **kwargs):
            previous = signal.signal(signal.SIGTERM, _on_sigterm)
            try:
                return body(context, *args, **kwargs)
            except KeyboardInterrupt:
                error: TaskError = Interrupted("Interrupted.")
            except _Sigterm:
                error = Terminated("Terminated.")
            except TaskError as raised:
                error = raised
            except BrokenPipeError:  # whoever read the output has had enough: `invoke … | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=0) from None
            except OSError as raised:
                error = Failed(f"This machine does not allow it: {raised}")
            except Exception as raised:
                known = _outside(raised)
                if known is None:
                    raise
                error = known
            finally:
                signal.signal(signal.SIGTERM, previous)
            if kwargs.get("json"):
                console.emit_error(error)
            console.explain(error)
            raise Exit(code=error.code)

        positional = getattr(body, "positional", ())
        make = invoke_task(name=name, help=help, positional=list(positional), default=default, iterable=list(iterable),
                           klass=klass)
        return make(framed)

    return decorate


def positional(*names: str):
    """Mark arguments that may be given without a flag (for tasks that destroy nothing)."""

    def mark(body):
        body.positional = names
        return body

    return mark


def emit(settings, payload: dict) -> None:
    """A task's JSON: where it speaks of, then the task's own."""
    console.emit({"workspace": settings.workspace, "account": settings.account, "region": settings.region, **payload})
