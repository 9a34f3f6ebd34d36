"""The whole way in one command: from nothing, or from a change, to maps that are drawn."""

from __future__ import annotations

from . import applying, planning, rollout, stack, steps
from . import image as images
from .core import console, embedded_aws, embedded_containers, live_services, logins, parameter_store, pins
from .core import images as engine
from .core import policy as policies
from .core import settings as project
from .core.console import say, show, warn
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task

IMAGE = {"image": "take this image, tag or digest, instead of building one"}
MAPS = {"maps": "ask for a map of each layer at the end; --no-maps where this machine may not reach the service"}
NO_CONTAINERS = {"no_containers": "in `local`: record tasks and database instead of running them"}
PERMISSIONS = {"permission_check": "ask IAM first whether all of it is allowed; --no-permission-check where it is mistaken"}

FLAGS = (WORKSPACE | YES | JSON | IMAGE | stack.ALLOW_OLDER | stack.ALLOW_REPLACE | NO_CONTAINERS | MAPS | PERMISSIONS
         | ENDPOINT)


@task(help=FLAGS, iterable=["allow_replace"])
def deploy(context, workspace=None, yes=False, json=False, image="", allow_older=False, allow_replace=None,
           no_containers=False, maps=True, permission_check=True, endpoint_from_env=False):
    """From nothing, or from a change, to a map: bootstrap, image, apply, database jobs, roll-out. Changes nothing twice."""
    settings = project.load(workspace)
    if settings.is_local:
        start_embedded_aws(settings, no_containers, image)
    session = connect(settings, endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    if permission_check:
        require_permissions(session)
    changed = applying.report_earlier(session)

    inputs = rollout.job_inputs(session)  # before the image: what is edited from here on is due the next time
    with pins.put_back_on_failure(settings):
        made = prepare(session, image)
        session = steps.reload(session)
        terraform_ = steps.connect_for_terraform(session)
        steps.init(terraform_, session)
        if session.settings.pinned and not allow_older:
            made_here = not image and rollout.containers_run(session)
            pins.require_not_older(session, live_services.images(session), of_checkout=made_here)
        held = rollout.held_services(session, inputs)
        saved = planning.plan(terraform_, session, allow_older=True, held=held)  # the images are judged

        if not json:
            steps.show_plan(saved.plan)
        if held:
            say(f"New tasks of {', '.join(sorted(held))} follow when the database is prepared for them.")
        if not saved.plan.empty:
            saved.plan.require_data_kept(allow_replace, run=settings.command("deploy"))
            console.confirm(f"Apply this to account {settings.account}, {settings.region}, workspace {settings.workspace}?",
                            yes)
    done = rollout.roll_out(terraform_, session, saved, inputs, allow_replace, ask_for_maps=maps)
    changed = bool(changed or made or done.changed or not saved.plan.empty)

    if json:
        return emit(session.settings, {"summary": saved.plan.summary, "jobs": done.jobs, "outputs": done.outputs,
                                       "layers": [result.layer for result in done.layers]})
    outputs = done.outputs
    stack.show_outputs({name: outputs[name] for name in ("wms_endpoint", "endpoints", "cluster") if name in outputs})
    show("Deployed." if changed else "Already deployed; nothing was changed.")
    rollout.show_maps(session, done)
    say(f"  next: {settings.command('wms.map') if done.layers else settings.command('plan')}, {settings.command('output')}")


def require_permissions(session: Session) -> None:
    """Raise Refused (3) with every action that IAM would refuse, before anything is made; where IAM does not say, go on."""
    session.require_account()
    policies.require(session, "deploy")


def start_embedded_aws(settings: project.Settings, no_containers: bool, image: str) -> None:
    """Start it with containers where they can run, and the image can be had; else what would run is recorded.

    The image is built first: on a first try without the base images it is no failure to have none.
    """
    reason = "--no-containers was given" if no_containers else None
    if not no_containers and not image and pins.services(settings):
        reason = _why_records_only(settings)
    embedded_aws.up(settings.root, say, reason)


def _why_records_only(settings: project.Settings) -> str | None:
    """Why containers cannot run though there is an engine, the end of a sentence; None when they can, or none is there."""
    found, runs = embedded_containers.ask(), embedded_aws.status(settings.root).containers
    if not found.run:
        return None
    try:
        built = engine.build(settings, say)
    except engine.NoBaseImage as error:
        if runs:
            raise
        warn(error.message)
        return "their base images cannot be pulled"
    if runs or engine.reached_from_a_container(built.name, found.bridge):
        return None
    return f"they do not reach this machine at {found.bridge}: a firewall drops what comes from Docker's bridge"


def prepare(session: Session, image: str) -> list[str]:
    """What has to be there before a plan: bucket, key, repository, secrets, the image; answers what was made."""
    made = steps.bootstrap(session)
    if made:
        session = steps.reload(session)
    if parameter_store.ensure_password(session):
        made.append("the database password")
        name = parameter_store.name(session.settings.admin_service, parameter_store.DB_PASSWORD)
        say(f"Made: a database password, kept only in the parameter store ({name})")
    for service in logins.ensure(session):
        made.append(f"a login role for {service}")
        say(f"Made: name and password of a login role that may only read, in the parameter store (/{service}/)")
    if rollout.containers_run(session) or image:
        images.ensure(session, say, image=image or None)
    session.settings.require_images()
    return made
