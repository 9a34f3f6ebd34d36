"""Applying a saved plan: under the lock, followed to its end, and taken up again where a killed task left it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .core import (
    adoption_root,
    console,
    kept_state,
    keys,
    parameter_store,
    progress,
    recovery,
    runs,
    saved_plan,
    terraform,
    unfinished,
    working_root,
)
from .core.console import Failed, Refused, say
from .core.saved_plan import SavedPlan
from .core.session import Session
from .core.terraform import PLACEHOLDER, Terraform


def apply(terraform_: Terraform, session: Session, saved: SavedPlan, allow_replace: list[str]) -> None:
    """Apply a saved plan and only that. Raises Refused before anything is changed, Failed when Terraform fails."""
    settings = session.settings
    saved.plan.require_data_kept(allow_replace, run=settings.command("apply"))
    key = keys.find(session)
    if key is not None:
        key.require_usable(settings.command("kms.rescue"))
    password = parameter_store.require_password(session)
    version = password_version(session)
    if version != saved.facts["password_version"]:
        raise Refused(f"The database password has changed since the plan (version {saved.facts['password_version']}, now "
                      f"{version}).", run=settings.command("plan"))
    with holding(session, "apply") as lock:
        run = _start(terraform_, session, take(session, saved, lock), "stack", password)
    follow(session, run)


def apply_adoption(terraform_: Terraform, session: Session, saved: SavedPlan) -> None:
    """Apply a plan that only takes what is there into the state. It needs no secret."""
    with holding(session, "apply") as lock:
        run = _start(terraform_, session, take(session, saved, lock), adoption_root.KIND, PLACEHOLDER)
    follow(session, run)


def begin_teardown(terraform_: Terraform, session: Session, taken: SavedPlan) -> runs.Run:
    """Begin the apply of a teardown's plan that was taken. It needs no secret, and none may be left to be read."""
    return _start(terraform_, session, taken, "teardown", PLACEHOLDER)


def password_version(session: Session) -> int:
    """Chamber's version of the database password; 1 before there is one, and for one that chamber did not write."""
    return parameter_store.version(session, session.settings.admin_service, parameter_store.DB_PASSWORD) or 1


@contextmanager
def holding(session: Session, operation: str) -> Iterator[str]:
    """Alone in this checkout, with nobody applying and the state's lock held; yields its id. No plan can be made meanwhile.

    The lock is given back at the end, unless a run has begun: that gives it back itself. Raises Refused (3).
    """
    with runs.one_task_at_a_time(session.settings):
        require_nobody_applies(session)
        lock = kept_state.lock(session, operation)
        try:
            yield lock
        except BaseException:
            _note_ended(session)  # Ctrl-C while it began: it was followed to its end
            raise
        finally:
            kept_state.release_ours(session)


def take(session: Session, saved: SavedPlan, lock: str) -> SavedPlan:
    """The plan, while its lock is held: checked for the last time, and what it adopts made ready for it, since half made it
    would be in the way. Nothing refuses it after this. Raises Refused (3)."""
    unfinished.gather(session)
    kept_state.fetch(session, lock)
    taken = saved_plan.take(session.settings, saved)
    for change in taken.plan.changes:
        for line in recovery.finish(session, change.type, change.imported) if change.imported else ():
            say(line)
    return taken


def _start(terraform_: Terraform, session: Session, taken: SavedPlan, root: str, password: str) -> runs.Run:
    settings = session.settings
    return terraform_.apply(taken.file, password, working_root.folder(settings, root), kept_state.record_file(settings),
                            kind="destroy" if taken.kind == "teardown" else "apply")


def follow(session: Session, run: runs.Run) -> None:
    """Show an apply until it ends. Raises Failed with what went wrong."""
    taken = saved_plan.taken(session.settings)
    total = taken.plan.steps if taken else 0
    with progress.shown(progress.Progress(total)) as (on_event, tick):
        code = runs.follow(run, on_event, tick, at_end=lambda: _note_ended(session))
    if code or run.unsaved:
        raise terraform.explain(run)
    if kept_state.left(session.settings):  # its supervisor was killed
        raise Failed(f"The {run.kind} is complete, but its state waits on this disk.",
                     run=session.settings.command("recover"))


def _note_ended(session: Session) -> None:
    """Keep in mind what a run that has ended left unfinished. May be done twice."""
    run, taken = runs.find(session.settings), saved_plan.taken(session.settings)
    if run is None or run.running or not run.changes:
        return
    unfinished.note(session.settings, run, whole=bool(taken and taken.whole))
    with suppress(Exception):  # for who has another disk; this one knows it
        unfinished.share(session)
    saved_plan.discard_taken(session.settings)


def follow_earlier(session: Session) -> bool:
    """Follow an apply that a killed task left behind, or report how it ended; answers whether there was one.

    Raises Failed when it failed: what it left can be planned and applied again. Raises Refused (3) while what goes on is a
    destroy: it is followed by that task only.
    """
    run = runs.find(session.settings)
    if run is None or not run.changes or run.reported:
        return False
    if run.kind == "destroy" and run.running:
        raise _busy(run)
    _follow_left(session, run)
    return run.kind == "apply"


def follow_destroy(session: Session) -> bool:
    """Follow a destroy that a killed task left behind; answers whether there was one. Raises as ``follow`` does."""
    run = runs.find(session.settings)
    if run is None or run.kind != "destroy" or run.reported:
        return False
    _follow_left(session, run)
    return True


def _follow_left(session: Session, run: runs.Run) -> None:
    since, what = f"{run.started_at:%Y-%m-%d %H:%M}", "A destroy" if run.kind == "destroy" else "An apply"
    if run.running:
        say(f"{what} has been running since {since} UTC (process {run.pid}); following it to its end.")
    else:
        say(f"{what} of {since} UTC ended while nobody watched:")
    follow(session, run)
    say(f"That {run.kind} is complete.")


def report_earlier(session: Session) -> bool:
    """Follow or report an earlier apply; answers whether there was one.

    That it failed is said and stops nothing: what comes next goes on from where it stood.
    """
    try:
        return follow_earlier(session)
    except Failed as failed:
        console.warn(failed.message)
        return True


def require_nobody_applies(session: Session) -> None:
    """Raise Refused (3) while an apply goes on, or while its state waits on this disk.

    An earlier plan is waited for, an apply that ended unwatched is told of; a lock that a killed task of this checkout has
    left is given back.
    """
    with runs.one_task_at_a_time(session.settings):
        run = runs.find(session.settings)
        if run is not None and run.running and run.changes:
            raise _busy(run)
        if run is not None and run.running:
            say("Waiting for an earlier plan to end…")
            runs.follow(run, on_event=lambda event: None)
        elif run is not None and run.changes and not run.reported:
            report_earlier(session)
        kept_state.require_saved(session.settings)
        kept_state.release_ours(session)


def _busy(run: runs.Run) -> Refused:
    what = "A destroy" if run.kind == "destroy" else "An apply"
    again = run.again if run.kind == "destroy" else run.settings.command("apply")
    return Refused(f"{what} of workspace {run.settings.workspace} has been running since {run.started_at:%H:%M} UTC "
                   f"(process {run.pid}).", run=again)
