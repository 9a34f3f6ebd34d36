"""What an apply may have left unfinished: noted on this disk, and beside the state for who goes on with another one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import state_bucket
from .initialise import state_object
from .processes import read_json, write_json
from .runs import Run
from .session import Session
from .settings import Settings


def begun(events: Iterable[dict]) -> list[str]:
    """The addresses whose creation was started, in the order of their start.

    Completed ones, too: Terraform says so before its state has it, and a kill may fall in between. What the state has is
    not planned to be made, so nobody looks for it. A replacement is told of as a delete and a create, in either order; a
    delete that was not completed needs nothing: the next plan looks whether the object is still there.
    """
    started = (event["hook"] for event in events if event.get("type") == "apply_start")
    return list(dict.fromkeys(hook["resource"]["addr"] for hook in started if hook.get("action") == "create"))


def note(settings: Settings, run: Run, whole: bool = True) -> None:
    """Keep in mind what an apply that has ended may have left unfinished.

    whole  whether it was an apply of the whole stack: when that succeeds, nothing is unfinished any more
    """
    if run.code == 0 and whole:
        forget(settings)
    elif run.code != 0:
        note_addresses(settings, begun(run.events()))


def note_addresses(settings: Settings, addresses: Iterable[str]) -> None:
    """Keep in mind what the next plan has to look for in the account."""
    write_json(_file(settings), sorted({*noted(settings), *addresses}))


def noted(settings: Settings) -> list[str]:
    """What is noted on this disk."""
    return read_json(_file(settings)) or []


def forget(settings: Settings) -> None:
    """Nothing is unfinished any more, as far as this disk knows."""
    _file(settings).unlink(missing_ok=True)


def everywhere(session: Session) -> list[str]:
    """What is noted on this disk or beside the state: another machine may have been lost in the middle of an apply."""
    return sorted({*noted(session.settings), *_beside(session)})


def gather(session: Session) -> None:
    """Have this disk's note say what the one beside the state says, too: a run that begins goes on from both."""
    if told := _beside(session):
        note_addresses(session.settings, told)


def share(session: Session) -> None:
    """Have the note beside the state say what this disk's says."""
    known = noted(session.settings)
    if set(known) != set(_beside(session)):
        state_bucket.write_json(session, key_beside(state_object(session.settings)), known)


def key_beside(state: str) -> str:
    """The key of the note in the bucket, from the state's own."""
    return state.rpartition("/")[0] + "/unfinished.json"


def _beside(session: Session) -> list[str]:
    if not state_bucket.exists(session):
        return []
    return state_bucket.read_json(session, key_beside(state_object(session.settings))) or []


def _file(settings: Settings) -> Path:
    return in_folder(settings.private_dir("runs", settings.workspace))


def in_folder(folder: Path) -> Path:
    """The note on this disk, from the folder of the workspace's run."""
    return folder / "unfinished.json"
