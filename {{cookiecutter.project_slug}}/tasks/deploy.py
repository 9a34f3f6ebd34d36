"""The whole way in one command: from nothing, or from a change, to a stack that runs."""

from __future__ import annotations

from . import stack, steps
from .core import console, containers, embedded_aws, parameter_store
from .core import settings as project
from .core.console import say, show
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task


@task(help={**WORKSPACE, **YES, **JSON, **stack.ALLOW_REPLACE, **ENDPOINT}, iterable=["allow_replace"])
def deploy(context, workspace=None, yes=False, json=False, allow_replace=None, endpoint_from_env=False):
    """Bootstrap, plan, apply and wait until the services run. A second run with nothing changed changes nothing."""
    settings = project.load(workspace)
    if settings.is_local and not embedded_aws.status(settings.root).running:
        embedded_aws.up(settings.root, say)
    session = connect(settings, endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    settings.require_images()
    changed = steps.report_earlier(session)

    made = steps.bootstrap(session)
    if made:
        session = steps.reload(session)
        terraform_ = steps.connect_for_terraform(session)
    if parameter_store.ensure_password(session):
        made.append("the database password")
        name = parameter_store.name(session.settings.admin_service, parameter_store.DB_PASSWORD)
        say(f"Made: a database password, kept only in the parameter store ({name})")
    steps.init(terraform_, session)
    saved = steps.plan(terraform_, session)

    if not json:
        steps.show_plan(saved.plan)
    if not saved.plan.empty:
        saved.plan.require_data_kept(allow_replace, run=settings.command("deploy"))
        console.confirm(f"Apply this to account {settings.account}, {settings.region}, workspace {settings.workspace}?", yes)
        steps.apply(terraform_, session, saved, allow_replace)
    outputs = terraform_.output()
    restarted = wait_for_services(session, outputs)
    changed = bool(changed or made or restarted or not saved.plan.empty)

    if json:
        return emit(session.settings, {"summary": saved.plan.summary, "outputs": outputs})
    stack.show_outputs({name: outputs[name] for name in ("wms_endpoint", "endpoints", "cluster") if name in outputs})
    show("Deployed." if changed else "Already deployed; nothing was changed.")
    if settings.is_local and not embedded_aws.status(settings.root).containers:
        say("The embedded AWS records the containers and does not run them: the addresses above answer on AWS only.")
    say(f"  next: {settings.command('plan')}, {settings.command('output')}")


def wait_for_services(session: Session, outputs: dict) -> bool:
    """Follow the deployment of each service until it is completed; answers whether one had to be started again.

    Raises WentWrong (5) after a rollback.
    """
    restarted = False
    for service in outputs.get("services", {}).values():
        said: list[str] = []
        wanted = (outputs["cluster"], service["service"], service["task_definition"])
        if containers.restart_if_given_up(session, *wanted):
            restarted = True
            say(f"{service['service']}: ECS had given this deployment up; starting it again.")

        def tell(found: containers.Service, said=said) -> None:
            line = f"{found.name}: {found.running} of {found.desired} tasks run"
            if line not in said[-1:]:
                said.append(line)
                say(line)

        containers.wait_until_deployed(session, *wanted, tell)
    return restarted
