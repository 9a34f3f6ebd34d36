"""Terraform's state: bring one home that could not be saved, and release a lock that a dead run has left."""

from __future__ import annotations

import sys

from . import steps
from .core import initialise, runs, state_bucket, terraform
from .core import settings as project
from .core.console import Refused, say, show
from .core.session import connect
from .core.terraform import Terraform
from .frame import ENDPOINT, WORKSPACE, task

CONFIRM = {"confirm": "the name <project>-<workspace>, instead of typing it (in local, `local` will do)"}


@task(help={**WORKSPACE, **ENDPOINT}, name="push-errored")
def push_errored(context, workspace=None, endpoint_from_env=False):
    """Push errored.tfstate, which Terraform left when it could not save the state, to the bucket."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    file = terraform.errored_state(session.settings)
    if not file.exists():
        return show("There is no errored.tfstate; the state is in the bucket.")
    terraform_.push_state(file)
    file.rename(session.settings.private_dir("runs", session.settings.workspace) / "pushed.tfstate")
    show("The state is in the bucket again.")
    say(f"  next: {session.settings.command('deploy')}")


@task(help={**WORKSPACE, **ENDPOINT, **CONFIRM})
def unlock(context, workspace=None, confirm="", endpoint_from_env=False):
    """Show who holds the state's lock since when, and release it after the environment's name was typed."""
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    run = runs.find(settings)
    if run is not None and run.running:
        raise Refused(f"A running {run.kind} of this checkout holds it (process {run.pid}).", run=settings.command("apply"))
    holder = state_bucket.read_json(session, initialise.state_object(settings) + ".tflock")
    if holder is None:
        return show("Nobody holds the state's lock.")
    say(f"Held by {holder.get('Who')} since {holder.get('Created')}, for {holder.get('Operation')} (ID {holder.get('ID')}).")
    say("If that run still goes on, releasing its lock lets two runs write one state.")
    _consent(settings, confirm)
    steps.init(terraform_, session)
    _release(terraform_, holder["ID"])


def _consent(settings: project.Settings, confirm: str) -> None:
    wanted = (settings.id, settings.workspace) if settings.is_local else (settings.id,)
    if not confirm and sys.stdin is not None and sys.stdin.isatty():
        print(f"Type {wanted[-1]} to release it: ", end="", file=sys.stderr, flush=True)
        confirm = sys.stdin.readline().strip()
    if confirm not in wanted:
        raise Refused("The lock was not released: this wants the environment's name.",
                      run=settings.command("state.unlock", "--confirm", wanted[-1]))


def _release(terraform_: Terraform, id_: str) -> None:
    terraform_.force_unlock(id_)
    show("The lock is released.")
