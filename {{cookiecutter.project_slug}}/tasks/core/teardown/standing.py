"""How far a destroy has come: what it has made before the first delete, and what it says wherever it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..console import Interrupted, TaskError, Terminated, from_aws, warn
from ..session import explain
from ..settings import Settings


@dataclass
class Standing:
    """What is done so far. ``stopping``: services are being brought to no task; ``deleting``: Terraform was begun;
    ``deleted``: it has come to its end."""

    state_backup: Path | None = None
    exported: list[Path] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    stopping: bool = False
    deleting: bool = False
    deleted: bool = False

    def as_dict(self) -> dict:
        return {"state_backup": self.state_backup and str(self.state_backup),
                "exported": [str(file) for file in self.exported], "snapshots": self.snapshots}

    def sentence(self, settings: Settings) -> str:
        """Where things stand, as sentences."""
        made = [f"the snapshot {name}" for name in self.snapshots]
        made += [f"the state as it was, {self.state_backup}"] if self.state_backup else []
        made += [f"the secrets, encrypted, in {file}" for file in self.exported]
        kept = f" Made before, and kept: {', '.join(made)}." if made else ""
        if self.deleted:
            return f"The workspace is destroyed.{kept}"
        if self.deleting:
            return f"Deleting has begun.{kept}"
        back = settings.command("deploy")
        stopped = f" Services may be at no task; this brings them back: {back}." if self.stopping else ""
        return f"Nothing was deleted.{stopped}{kept}"


@contextmanager
def told(settings: Settings, standing: Standing, again: str) -> Iterator[None]:
    """Whatever stops a destroy in here says where things stand, and with which command it goes on."""
    try:
        yield
    except Exception as error:
        known = error if isinstance(error, TaskError) else _explained(error)
        if known is None:
            warn(standing.sentence(settings))
            raise
        raise _with(known, standing.sentence(settings), again) from None
    except BaseException as error:  # Ctrl-C or kill -TERM: the task's frame makes the latter an exception, too
        kind = Interrupted if isinstance(error, KeyboardInterrupt) else Terminated
        raise kind(f"{kind.__name__}. {standing.sentence(settings)}", run=again) from None


def _explained(error: Exception) -> TaskError | None:
    return explain(error) if from_aws(error) else None


def _with(error: TaskError, sentence: str, again: str) -> TaskError:
    """The same kind of error. Where something else has to be run first, its sentence names what goes on then."""
    first = error.run if error.run and not again.startswith(error.run) else None
    after = f" Then it goes on with: {again}" if first else ""
    between = "\n" if "\n" in error.message else " "
    return type(error)(f"{error.message}{between}{sentence}{after}", run=first or again)
