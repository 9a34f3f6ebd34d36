"""The steps that several tasks share: bootstrap, init, plan, apply. Each looks, acts and says what it did."""

from __future__ import annotations

from dataclasses import replace

from .core import (
    console,
    database,
    database_record,
    embedded_aws,
    initialise,
    keys,
    live_services,
    machine_image,
    parameter_store,
    pins,
    progress,
    recovery,
    registry,
    runs,
    saved_plan,
    state_bucket,
    terraform,
)
from .core import (
    plan as plans,
)
from .core import (
    settings as project,
)
from .core.console import Failed, Refused, say
from .core.plan import Plan
from .core.saved_plan import SavedPlan
from .core.session import Session
from .core.terraform import Terraform

HEALINGS = 3  # each plan shows all that there is to heal; one is enough unless another run interferes


def bootstrap(session: Session) -> list[str]:
    """Make what must be there before Terraform: state bucket, key, ECR repository, pinned AMI. Idempotent.

    Answers what was made. The key comes before any secret: AWS refuses a secret under an alias that is not there.
    """
    session.require_account()
    made = []
    if state_bucket.ensure(session):
        made.append(f"state bucket {session.settings.state_bucket}")
    key = keys.find(session)
    if key is None:
        key = keys.create(session)
        made.append(f"KMS key {key.alias} ({key.id})")
    key.require_usable(session.settings.command("kms.rescue"))
    if registry.is_ecr(session.settings) and registry.ensure(session):
        made.append(f"ECR repository {session.settings.project.slug}")
    if not session.settings.variables.get("aws_ami"):
        image = machine_image.recommended(session)
        project.record(session.settings.tfvars, "aws_ami", image)
        made.append(f"machine image {image}, pinned in {session.settings.tfvars.name}")
    elif not session.settings.is_local:
        machine_image.require_fitting(session, session.settings.variables["aws_ami"])
    for line in made:
        say(f"Made: {line}")
    return made


def reload(session: Session) -> Session:
    """The session with the settings read again, after a step that wrote to the workspace's file."""
    return replace(session, settings=project.load(session.settings.workspace, session.settings.root))


def init(terraform_: Terraform, session: Session) -> None:
    """Initialise Terraform when what it reads has changed. Raises Refused (3) while there is no state bucket."""
    require_state_bucket(session)
    if not initialise.needed(session.settings):
        return
    say("Initialising Terraform…")
    initialise.initialise(terraform_, say)


def require_state_bucket(session: Session) -> None:
    """Raise Refused (3) while there is no state bucket."""
    if not state_bucket.exists(session):
        raise Refused(f"The state bucket {session.settings.state_bucket} is not there yet.",
                      run=session.settings.command("bootstrap"))


def require_saved_state(settings: project.Settings) -> None:
    """Raise Refused (3) while a state waits that could not be saved: planning without it would make everything twice."""
    file = terraform.errored_state(settings)
    if file.exists():
        raise Refused(f"The last apply could not save its state to the bucket; it is in {file.name}.",
                      run=settings.command("state.push-errored"))


def plan(terraform_: Terraform, session: Session, allow_older: bool = False,
         held: dict[str, str] | None = None) -> SavedPlan:
    """Make and save a plan. What keeps data and was only interrupted while it was made is healed, never replaced.

    held  service -> the task definition that it goes on with for now
    Raises Refused (3) when a service would get an older image than it runs, unless that is allowed.
    """
    session.settings.require_images()
    if session.settings.pinned and not allow_older:
        pins.require_not_older(session, live_services.images(session))
    require_saved_state(session.settings)
    require_nobody_applies(session)
    given = {**_given(session), "held_services": held or {}}
    with runs.one_task_at_a_time(session.settings):
        for _ in range(HEALINGS):
            made = _plan_once(terraform_, session, given)
            healed = [_untaint(terraform_, session, change) for change in made.plan.tainted_data()]
            adopted = _adopt_unfinished(terraform_, session, made, given)
            if not healed and not adopted:
                break
    return made


def _plan_once(terraform_: Terraform, session: Session, given: terraform.Given) -> SavedPlan:
    settings = session.settings
    saved_plan.discard(settings)
    facts, draft = saved_plan.present_facts(settings), saved_plan.draft(settings)
    events: list[dict] = []
    say("Planning…")
    try:
        run = terraform_.plan(draft, given)
        if runs.follow(run, on_event=events.append) not in (0, 2):
            raise terraform.explain(run)
        for warning in runs.warnings(events):
            console.warn(warning)
        return saved_plan.save(settings, facts, plans.read(events), given["db_password_version"], terraform.version())
    finally:
        draft.unlink(missing_ok=True)


def _given(session: Session) -> terraform.Given:
    """What no file says: the password's version, which services wait for the database; in ``local`` where it answers."""
    settings = session.settings
    given: terraform.Given = {"db_password_version": _password_version(session)}
    if settings.is_local:
        server = embedded_aws.status(settings.root)
        given |= {"embedded_aws": server.endpoint or "", "images": settings.images}
        if not server.containers:  # nothing runs, so nothing has to wait
            return given
    return {**given, "waiting_services": database_record.load(session).unready(settings)}


def _password_version(session: Session) -> int:
    """Chamber's version of the database password; 1 before there is one, and for one that chamber did not write."""
    return parameter_store.version(session, session.settings.admin_service, parameter_store.DB_PASSWORD) or 1


def _untaint(terraform_: Terraform, session: Session, change: plans.Change) -> str:
    """Wait for a resource whose creation was interrupted and take it as made: its data must not be replaced."""
    say(f"{change.address}: {change.reason}, but it exists and keeps data; it is kept.")
    if change.type == "aws_db_instance":
        database.wait_until_available(session, session.settings.database, say)
    terraform_.untaint(change.address)
    return change.address


def _adopt_unfinished(terraform_: Terraform, session: Session, made: SavedPlan, given: terraform.Given) -> list[str]:
    """Import what a stopped apply made without the state's knowing, before it is made a second time."""
    begun = set(recovery.noted(session.settings))
    lost = [change for change in made.plan.changes
            if change.action == "create" and change.address in begun and change.type in recovery.FINDERS]
    if not lost:
        return []
    arguments = terraform_.planned_arguments(made.file)
    adopted = []
    for change in lost:
        id_ = recovery.find(session, change.type, arguments[change.address])
        if id_:
            say(f"{change.address}: its creation was interrupted, but it exists ({id_}); it is adopted.")
            terraform_.import_(change.address, id_, given)
            adopted.append(change.address)
    return adopted


def apply(terraform_: Terraform, session: Session, saved: SavedPlan, allow_replace: list[str]) -> None:
    """Apply a saved plan and only that. Raises Refused before anything is changed, Failed when Terraform fails."""
    settings = session.settings
    saved.plan.require_data_kept(allow_replace, run=settings.command("apply"))
    key = keys.find(session)
    if key is not None:
        key.require_usable(settings.command("kms.rescue"))
    password = parameter_store.require_password(session)
    version = _password_version(session)
    if version != saved.facts["password_version"]:
        raise Refused(f"The database password has changed since the plan (version {saved.facts['password_version']}, now "
                      f"{version}).", run=settings.command("plan"))
    require_saved_state(settings)
    taken = saved_plan.take(settings, saved)
    _follow(session, terraform_.apply(taken.file, password), taken.plan.steps)


def _follow(session: Session, run: runs.Run, total: int) -> None:
    """Show an apply until it ends. Raises Failed with what went wrong."""
    try:
        with progress.shown(progress.Progress(total)) as (on_event, tick):
            code = runs.follow(run, on_event, tick)
    finally:
        if not run.running:
            recovery.note(session.settings, run)
            saved_plan.discard_taken(session.settings)
    if code:
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
    """Raise Refused (3) while an apply goes on. An earlier plan is waited for, an apply that ended unwatched is told of."""
    run = runs.find(session.settings)
    if run is None or run.reported:
        return
    if run.kind == "apply" and run.running:
        raise Refused(f"An apply of workspace {session.settings.workspace} has been running since "
                      f"{run.started_at:%H:%M} UTC (process {run.pid}).", run=session.settings.command("apply"))
    if run.kind == "apply":
        report_earlier(session)
    elif run.running:
        say("Waiting for an earlier plan to end…")
        runs.follow(run, on_event=lambda event: None)


COLOURS = {"create": "green", "update": "yellow", "replace": "magenta", "delete": "red", "import": "cyan",
           "forget": "cyan", "move": "cyan"}
WORDS = {"create": "created", "update": "changed", "replace": "replaced", "delete": "destroyed", "import": "imported",
         "forget": "forgotten", "move": "moved"}


def show_plan(plan_: Plan) -> None:
    """What the plan does, as a table: what keeps data and would be lost first, and in red."""
    if plan_.changes:
        ordered = plan_.most_careful_first()
        console.table(
            "", ("will be", "resource", "why"),
            [(WORDS[change.action], change.address, _why(change)) for change in ordered],
            styles=["bold red" if change.loses_data else COLOURS[change.action] for change in ordered],
            last="why",
        )
    counted = [f"{count} {WORDS[action]}" for action, count in plan_.summary.items() if count and action in WORDS]
    if plan_.outputs:
        counted.append(f"{plan_.outputs} output{'s' if plan_.outputs > 1 else ''} changed")
    console.show(", ".join(counted) + "." if counted else "Nothing to change.")


def _why(change: plans.Change) -> str:
    said = [change.reason or ""]
    if change.loses_data:
        said.insert(0, "KEEPS DATA")
    if change.imported:
        said.append(f"exists as {change.imported}")
    if change.previous_address:
        said.append(f"was {change.previous_address}")
    return "; ".join(filter(None, said))


def connect_for_terraform(session: Session) -> Terraform:
    """Terraform on the workspace, after the account guard. Raises Failed when Terraform is missing or too old."""
    terraform.version()
    session.require_account()
    return Terraform(session)


def require_outputs(terraform_: Terraform) -> dict:
    """The stack's outputs. Raises Refused (3) while nothing is deployed."""
    try:
        found = terraform_.output()
    except Failed as error:
        if "Backend initialization required" not in error.message:
            raise
        found = {}
    if not found:
        settings = terraform_.settings
        raise Refused(f"Workspace {settings.workspace} is not deployed.", run=settings.command("deploy"))
    return found
