"""What differs between the state and the account: what a plan sees, and what none can see."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from typing import Any

from . import planning, steps
from .core import (
    console,
    initialise,
    kept_state,
    runs,
    saved_plan,
    state_file,
    terraform,
    unseen,
    working_root,
)
from .core import drift as drifts
from .core import settings as project
from .core.console import say, show
from .core.drift import Difference, Pending
from .core.session import Session, connect
from .core.terraform import Terraform
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

STYLES = {"gone": "red", "changed": "yellow", "extra": "magenta"}
LONGEST = 120  # characters of a value in the table; --json has all of it
NAMED = 5  # pending changes that are named


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def drift(context, workspace=None, json=False, endpoint_from_env=False):
    """Show what differs between the state and the account, and exit with 2 when something does. Changes nothing."""
    from invoke import Exit

    session = connect(project.load(workspace), endpoint_from_env)
    differences, pending = look(session)
    if json:
        emit(session.settings, {"drift": [asdict(one) for one in differences], "pending": [asdict(one) for one in pending]})
    else:
        _show(session.settings, differences, pending)
    if differences:
        raise Exit(code=2)


def look(session: Session) -> tuple[list[Difference], list[Pending]]:
    """What differs, and what an apply would change beside it. A workspace with nothing in its state has neither."""
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    with planning.undisturbed(session):
        state = state_file.load(session)
        if not state.resources:
            return [], []
        seen, pending = drifts.read(_planned(terraform_, session))
    return [*seen, *unseen.find(session, state)], list(pending)


def _planned(terraform_: Terraform, session: Session) -> dict[str, Any]:
    """A plan as Terraform's JSON. It is never offered for an apply, and a saved one stays as it is."""
    settings = session.settings
    draft, root = saved_plan.draft(settings), working_root.stack(settings)
    kept_state.fetch(session)
    say("Comparing the state with the account…")
    try:
        initialise.initialise_working_root(terraform_, root)
        run = terraform_.plan(draft, {**planning.given_values(session), "held_services": {}}, root)
        if runs.follow(run, on_event=lambda event: None) not in (0, 2):
            raise terraform.explain(run)
        return json_.loads(terraform_.run("show", str(draft), json=True, root=root))
    finally:
        draft.unlink(missing_ok=True)
        kept_state.discard(settings)


def _show(settings: project.Settings, differences: list[Difference], pending: list[Pending]) -> None:
    if differences:
        console.table("", ("", "resource", "in the account"), [(one.what, one.address, _said(one)) for one in differences],
                      styles=[STYLES[one.what] for one in differences], last="in the account")
        show(f"{len(differences)} difference{'s' if len(differences) > 1 else ''} between the state and the account.")
        if any(one.what != "extra" for one in differences):
            say(f"  what has changed or gone is put back by: {settings.command('deploy')}")
        if any(one.what == "extra" for one in differences):
            say("  what is extra is in no state, so no apply takes it away: remove it by hand, or configure it")
    else:
        show("The account is as the state has it.")
    if pending:
        named = ", ".join(f"{one.address} ({one.action})" for one in pending[:NAMED])
        more = f" and {len(pending) - NAMED} more" if len(pending) > NAMED else ""
        say(f"Not applied yet ({settings.command('plan')} shows it): {named}{more}.")


def _said(one: Difference) -> str:
    if one.what == "gone":
        return "it is not there any more"
    if one.what == "extra":
        return f"{one.attribute}: {_short(one.account)}"
    if one.account == drifts.HIDDEN:
        return f"{one.attribute} has changed (sensitive)"
    return f"{one.attribute} is {_short(one.account)}, was {_short(one.state)}"


def _short(value: Any) -> str:
    text = "empty" if value in drifts.NOTHING else value if isinstance(value, str) else json_.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
