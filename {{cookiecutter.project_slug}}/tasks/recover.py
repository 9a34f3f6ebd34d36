"""What a killed run has left behind: found, shown, and taken into the state by a plan that can lose nothing."""

from __future__ import annotations

from pathlib import Path

from . import applying, planning, steps
from .core import console, kept_state, runs, state_file, state_history, unfinished
from .core import settings as project
from .core.console import Failed, say, show
from .core.session import Session, connect
from .core.terraform import Terraform
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task


@task(help={**WORKSPACE, **YES, **JSON, **ENDPOINT})
def recover(context, workspace=None, yes=False, json=False, endpoint_from_env=False):
    """Take what a killed run has made into the state. Replaces and deletes nothing; a deploy then goes on from there."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    applying.report_earlier(session)
    ended = runs.end_left_over(session.settings)
    if ended:
        say(f"Ended what the killed run had left running: {', '.join(map(str, ended))}.")
    brought = bring_state_home(session, yes)
    found = adopt_unfinished(terraform_, session, yes)
    if json:
        return emit(session.settings, {"state": brought, "adopted": found})
    for address, id_ in found.items():
        show(f"{address} is in the state again ({id_}).")
    show("Recovered." if found or brought else "There is nothing to recover.")
    run = runs.find(session.settings)
    say(f"  next: {run.again if run and run.kind == 'destroy' else session.settings.command('deploy')}")


def bring_state_home(session: Session, yes: bool) -> dict | None:
    """Bring a state that waits on this disk to the bucket, and give its lock back; answers its serial and its size."""
    file = kept_state.left(session.settings)
    if file is None:
        kept_state.release_ours(session)
        return None
    console.confirm(f"A state waits on this disk and not in the bucket ({file.name}). Bring it there?", yes)
    try:
        pushed = kept_state.push_left(session, file)
    except kept_state.Torn as torn:
        run = runs.find(session.settings)
        if run is None or file == session.settings.root / file.name:
            raise
        console.warn(f"{torn.message} The bucket's is used; what was made since is looked for.")
        unfinished.note(session.settings, run)
        kept_state.give_up(session)
        return None
    except kept_state.Overtaken as overtaken:
        console.warn(overtaken.message)
        console.confirm("Go on from theirs, and look in the account for what only this one knows of?", yes)
        _give_way(session, file)
        return None
    say(f"The state is in the bucket again: serial {pushed.serial}, {len(pushed.resources)} resources.")
    return {"serial": pushed.serial, "resources": len(pushed.resources)}


def _give_way(session: Session, file: Path) -> None:
    """Let the bucket's state hold, and take what only the one on this disk knows for unfinished; a copy of that stays."""
    ours, theirs = state_file.parse(file.read_bytes()), state_file.load(session)
    say(f"Yours is kept in {state_history.keep(session.settings, file.read_bytes()).relative_to(session.settings.root)}.")
    unfinished.note_addresses(session.settings, ours.addresses - theirs.addresses)
    kept_state.give_up(session)


def adopt_unfinished(terraform_: Terraform, session: Session, yes: bool) -> dict[str, str]:
    """Take what was in the making into the state; answers address -> id. Looks once more afterwards."""
    begun = unfinished.everywhere(session)
    if not begun:
        return {}
    found = planning.look_for_unfinished(terraform_, session, begun)
    if found:
        saved = planning.plan_recovery(terraform_, session, found)
        steps.show_plan(saved.plan)
        console.confirm(f"Take this into the state of workspace {session.settings.workspace}?", yes)
        applying.apply(terraform_, session, saved, [])
        left = planning.look_for_unfinished(terraform_, session, begun)
        if left:
            raise Failed(f"Still not in the state: {', '.join(left)}.", run=session.settings.command("recover"))
    unfinished.forget(session.settings)
    unfinished.share(session)
    return found
