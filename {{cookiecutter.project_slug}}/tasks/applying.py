"""Applying a saved plan: under the lock, followed to its end, and taken up again where a killed task left it."""

from __future__ import annotations

from pathlib import Path

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
    state_lock,
    terraform,
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
    _run(terraform_, session, saved, working_root.folder(settings, "stack"), password)


def apply_teardown(terraform_: Terraform, session: Session, saved: SavedPlan) -> None:
    """Apply a plan of the teardown. It needs no secret, and none may be left to be read."""
    _run(terraform_, session, saved, working_root.folder(session.settings, "teardown"), PLACEHOLDER)


def apply_adoption(terraform_: Terraform, session: Session, saved: SavedPlan) -> None:
    """Apply a plan that only takes what is there into the state. It needs no secret."""
    _run(terraform_, session, saved, working_root.folder(session.settings, adoption_root.KIND), PLACEHOLDER)


def password_version(session: Session) -> int:
    """Chamber's version of the database password; 1 before there is one, and for one that chamber did not write."""
    return parameter_store.version(session, session.settings.admin_service, parameter_store.DB_PASSWORD) or 1


def _run(terraform_: Terraform, session: Session, saved: SavedPlan, root: Path, password: str) -> None:
    settings = session.settings
    with runs.one_task_at_a_time(settings):
        require_nobody_applies(session)
        lock = state_lock.acquire(session, "apply")
        try:
            kept_state.fetch(session, lock)
        except BaseException:
            state_lock.release(session, lock)
            raise
        try:
            taken = saved_plan.take(settings, saved)
            run = terraform_.apply(taken.file, password, root, kept_state.record_file(settings))
        except BaseException:
            kept_state.release_ours(session)  # unless a run has begun, which gives it back itself
            raise
    _follow(session, run, taken.plan.steps)
    for change in taken.plan.changes:
        if change.imported:
            for line in recovery.finish(session, change.type, change.imported):
                say(line)


def _follow(session: Session, run: runs.Run, total: int) -> None:
    """Show an apply until it ends. Raises Failed with what went wrong."""
    try:
        with progress.shown(progress.Progress(total)) as (on_event, tick):
            code = runs.follow(run, on_event, tick)
    finally:
        if not run.running:
            recovery.note(session.settings, run)
            saved_plan.discard_taken(session.settings)
    if code or run.unsaved:
        raise terraform.explain(run)


def follow_earlier(session: Session) -> bool:
    """Follow an apply that a killed task left behind, or report how it ended; answers whether there was one.

    Raises Failed when it failed: what it left can be planned and applied again.
    """
    run = runs.find(session.settings)
    if run is None or run.kind != "apply" or run.reported:
        return False
    since = f"{run.started_at:%Y-%m-%d %H:%M}"
    if run.running:
        say(f"An apply has been running since {since} UTC (process {run.pid}); following it to its end.")
    else:
        say(f"The apply of {since} UTC ended while nobody watched:")
    earlier = saved_plan.taken(session.settings)
    _follow(session, run, earlier.plan.steps if earlier else 0)
    say("That apply is complete.")
    return True


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
    run = runs.find(session.settings)
    if run is not None and not run.reported:
        if run.kind == "apply" and run.running:
            raise Refused(f"An apply of workspace {session.settings.workspace} has been running since "
                          f"{run.started_at:%H:%M} UTC (process {run.pid}).", run=session.settings.command("apply"))
        if run.kind == "apply":
            report_earlier(session)
        elif run.running:
            say("Waiting for an earlier plan to end…")
            runs.follow(run, on_event=lambda event: None)
    kept_state.require_saved(session.settings)
    if run is None or not run.running:
        kept_state.release_ours(session)
