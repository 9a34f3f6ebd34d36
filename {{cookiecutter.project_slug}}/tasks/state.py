"""Terraform's state: save it, look at its versions, put one back, bring one home that could not be saved, free its lock."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

from . import applying, steps
from .core import consent, console, kept_state, runs, saved_plan, state_history, state_lock
from .core import settings as project
from .core.console import BadInput, Refused, say, show
from .core.session import connect
from .core.state_history import Chosen, Present, Version
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

CONFIRM = {"confirm": "the name <project>-<workspace>, instead of typing it (in local, `local` will do)"}
COUNT = "20"


@task(help={**WORKSPACE, **ENDPOINT})
def backup(context, workspace=None, endpoint_from_env=False):
    """Save the present state below .local/states. It may hold secrets: the file is its owner's only."""
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    steps.require_state_bucket(session)
    file = state_history.backup(session)
    if file is None:
        return show(f"Workspace {settings.workspace} has no state.")
    show(str(file.relative_to(settings.root)))


@task(help={**WORKSPACE, **JSON, **ENDPOINT, "count": f"how many of the newest versions (default: {COUNT})"})
def history(context, workspace=None, json=False, count=COUNT, endpoint_from_env=False):
    """Show the versions of the state that the bucket keeps, newest first."""
    if not count.isdecimal() or int(count) < 1:
        raise BadInput(f"--count {count}: expected how many versions to show, 1 or more.")
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    steps.require_state_bucket(session)
    versions = state_history.versions(session, int(count))
    if json:
        return emit(settings, {"versions": [asdict(version) for version in versions]})
    if not versions:
        return show(f"Workspace {settings.workspace} has never had a state.")
    console.table("", ("written (UTC)", "serial", "resources", "bytes", "version", ""), [_row(one) for one in versions],
                  styles=["bold" if one.current else None for one in versions], last="")
    if versions[0].deletion:
        console.warn(f"The state was deleted on {versions[0].at:%Y-%m-%d at %H:%M} UTC.")
        say(f"  put one back: {settings.command('state.restore', '--version', 'ID')}")


def _row(version: Version) -> tuple[str, ...]:
    when = f"{version.at:%Y-%m-%d %H:%M:%S}"
    if version.deletion:
        return when, "", "", "", version.id, "deleted here"
    known = ("?", "?") if version.serial is None else (str(version.serial), str(version.resources))
    return when, *known, str(version.size), version.id, "current" if version.current else ""


@task(help={**WORKSPACE, **ENDPOINT, **CONFIRM, "version": "a version's id, from `invoke state.history`",
            "file": "a state on this disk, as `invoke state.backup` leaves it",
            "other_lineage": "put it back even if the present state is another stack's"})
def restore(context, workspace=None, version="", file="", confirm="", other_lineage=False, endpoint_from_env=False):
    """Put an earlier state in the present one's place, after saving that. Changes nothing in the account."""
    settings = project.load(workspace)
    if bool(version) == bool(file):
        raise BadInput("Say which state: either --version ID or --file PATH.", run=settings.command("state.history"))
    session = connect(settings, endpoint_from_env)
    session.require_account()
    steps.require_state_bucket(session)
    applying.require_nobody_applies(session)
    state_lock.require_free(session)
    chosen = state_history.of_version(session, version) if version else state_history.of_file(Path(file))
    before = state_history.present(session)
    state_history.require_restorable(session, chosen, before, other_lineage)
    _show_way(chosen, before)
    given = ("--version", version) if version else ("--file", file)
    names = consent.names_of(settings)
    if other_lineage:
        given += ("--other-lineage",)
    consent.typed(names, confirm, "put this state in its place",
                  settings.command("state.restore", *given, "--confirm", names[-1]))
    serial, saved = state_history.restore(session, chosen, before)
    saved_plan.discard(settings)
    if saved:
        say(f"The state from before is in {saved.relative_to(settings.root)}.")
    show(f"The state is that of {chosen.name} again, as serial {serial}.")
    say(f"  what differs from the account now: {settings.command('plan')}")


def _show_way(chosen: Chosen, before: Present) -> None:
    """From what to what: serials, numbers, and the addresses that come and go."""
    if before.state:
        say(f"The state now: serial {before.state.serial}, {len(before.state.resources)} resources.")
    else:
        say("There is no state now." if not before.etag else "What lies there now is no state.")
    say(f"{chosen.name[0].upper()}{chosen.name[1:]}: serial {chosen.state.serial}, {len(chosen.state.resources)} resources.")
    present = before.state.addresses if before.state else set()
    rows = [*(("managed again", address) for address in sorted(chosen.state.addresses - present)),
            *(("no longer known", address) for address in sorted(present - chosen.state.addresses))]
    if rows and before.state:
        console.table("", ("will be", "resource"), rows, last="resource",
                      styles=["green" if word == "managed again" else "red" for word, _ in rows])
        if present - chosen.state.addresses:
            console.warn("What is no longer known stays in the account, and a deploy would make it a second time.")


@task(help={**WORKSPACE, **ENDPOINT}, name="push-errored")
def push_errored(context, workspace=None, endpoint_from_env=False):
    """Bring a state that could not be saved to the bucket: errored.tfstate of Terraform, or what a run has left."""
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    file = kept_state.left(session.settings)
    if file is None:
        return show("No state waits on this disk; it is in the bucket.")
    pushed = kept_state.push_left(session, file)
    show(f"The state is in the bucket again (serial {pushed.serial}, {len(pushed.resources)} resources).")
    say(f"  next: {session.settings.command('deploy')}")


@task(help={**WORKSPACE, **ENDPOINT, **CONFIRM})
def unlock(context, workspace=None, confirm="", endpoint_from_env=False):
    """Show who holds the state's lock since when, and release it after the environment's name was typed."""
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    steps.require_state_bucket(session)
    run = runs.find(settings)
    if run is not None and run.running:
        raise Refused(f"A running {run.kind} of this checkout holds it (process {run.pid}).", run=settings.command("apply"))
    holder = state_lock.holder(session)
    if holder is None:
        return show("Nobody holds the state's lock.")
    _show_holder(holder)
    say("If that run still goes on, releasing its lock lets two runs write one state.")
    names = consent.names_of(settings)
    consent.typed(names, confirm, "release the lock", settings.command("state.unlock", "--confirm", names[-1]))
    if not state_lock.release(session, holder.id):
        raise Refused("The lock is no longer the one that was shown. Nothing was released.",
                      run=settings.command("state.unlock"))
    show("The lock is released.")
    say("If the disk of that run is lost, what it was making in its last seconds may be in the account and in no state: "
        "look in the next plan for what it would make a second time.")


def _show_holder(holder: state_lock.Holder) -> None:
    operation = holder.operation.removeprefix("OperationType").lower()
    say(f"Held by {holder.who} since {_since(holder.since)}, for {operation} (ID {holder.id}).")


def _since(stamp: str) -> str:
    """Terraform's time stamp (nanoseconds, UTC) as a person reads it; as it is when it is none."""
    try:
        then = datetime.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return stamp
    return f"{then:%Y-%m-%d %H:%M:%S} UTC ({_in_words(datetime.now(timezone.utc) - then)} ago)"


def _in_words(span: timedelta) -> str:
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60)):
        number = int(span.total_seconds() // seconds)
        if number:
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"
