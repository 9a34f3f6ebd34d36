"""The stack: what Terraform makes of a workspace. These tasks stand at the top level: ``invoke plan``."""

from __future__ import annotations

from . import applying, planning, rollout, steps
from .core import console, initialise, names, saved_plan
from .core import settings as project
from .core.console import BadInput, Refused, say, show
from .core.session import connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task

ALLOW_OLDER = {"allow_older": "roll back to an image that is older than the one that runs"}
ALLOW_REPLACE = {"allow_replace": "address of something that keeps data and may be replaced or deleted (repeatable)"}


@task(help={**WORKSPACE, **JSON, **ENDPOINT, "account": "record this AWS account id in the workspace's file first"})
def bootstrap(context, workspace=None, account=None, json=False, endpoint_from_env=False):
    """Make what must be there before Terraform: state bucket, KMS key, image repository, pinned machine image."""
    settings = project.load(workspace)
    if account:
        _record_account(settings, account, connect(settings, endpoint_from_env).account())
        settings = project.load(workspace)
    made = steps.bootstrap(connect(settings, endpoint_from_env))
    if json:
        return emit(settings, {"made": made})
    show("Ready." if made else "Everything was there already.")
    say(f"  next: {settings.command('deploy')}")


def _record_account(settings: project.Settings, account: str, found: str) -> None:
    names.check_real_account(account)
    if settings.is_local:
        raise BadInput("The workspace local has no account of its own to record.", run="invoke workspace.add prod")
    if found != account:
        raise Refused(f"These credentials are of account {found}, not {account}. Nothing was recorded.")
    if settings.account and settings.account != account:
        raise Refused(f"{settings.tfvars.name} says account {settings.account}, not {account}. Change it there if it is so.")
    project.record(settings.tfvars, "account", account)


@task(help={**WORKSPACE, **ENDPOINT, "new_backend": "accept that main.tf names another state than before"})
def init(context, workspace=None, new_backend=False, endpoint_from_env=False):
    """Initialise Terraform for a workspace: backend, provider, modules."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.require_state_bucket(session)
    initialise.initialise(terraform_, say, new_backend)
    show(f"Initialised; the state is {initialise.state_object(session.settings)} in {session.settings.state_bucket}.")


@task(help={**WORKSPACE, **JSON, **ALLOW_OLDER, **ENDPOINT, "detailed_exitcode": "exit with 2 when there are changes"})
def plan(context, workspace=None, json=False, detailed_exitcode=False, allow_older=False, endpoint_from_env=False):
    """Show what an apply would do, and save it for `invoke apply`."""
    from invoke import Exit

    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    saved = planning.plan(terraform_, session, allow_older)
    if json:
        emit(session.settings, {"plan_file": str(saved.file), **saved.plan.as_dict()})
    else:
        steps.show_plan(saved.plan)
        if not saved.plan.empty:
            say(f"  next: {session.settings.command('apply')}")
    if detailed_exitcode and not saved.plan.empty:
        raise Exit(code=2)


@task(help={**WORKSPACE, **YES, **JSON, **ALLOW_REPLACE, **ENDPOINT}, iterable=["allow_replace"])
def apply(context, workspace=None, yes=False, json=False, allow_replace=None, endpoint_from_env=False):
    """Apply the saved plan, and only that; or follow an apply that is already running."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    if not applying.follow_earlier(session):
        saved = saved_plan.load(session.settings)
        if not json:
            steps.show_plan(saved.plan)
        saved.plan.require_data_kept(allow_replace, run=session.settings.command("apply"))
        console.confirm(f"Apply this to {_place(session.settings)}?", yes)
        applying.apply(terraform_, session, saved, allow_replace)
    if json:
        return emit(session.settings, {"outputs": terraform_.output()})
    show("Applied.")
    due = rollout.jobs_due(session)
    if due:
        say(f"The database is not prepared for it yet ({', '.join(due)} {'is' if len(due) == 1 else 'are'} due).")
    say(f"  next: {session.settings.command('deploy' if due else 'output')}")


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def output(context, workspace=None, json=False, endpoint_from_env=False):
    """Show what the stack offers: addresses, services, log groups."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    found = steps.require_outputs(terraform_)
    if json:
        return emit(session.settings, {"outputs": found})
    show_outputs(found)


def show_outputs(outputs: dict) -> None:
    """The outputs as a table, one line a value."""
    console.table("", ("output", "value"), list(_flat(outputs)), last="value")


def _flat(value, name=""):
    if isinstance(value, dict):
        for key, inner in sorted(value.items()):
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for inner in value:
            yield name, str(inner)
    elif value not in (None, ""):
        yield name, str(value)


def _place(settings: project.Settings) -> str:
    return f"account {settings.account}, {settings.region}, workspace {settings.workspace}"
