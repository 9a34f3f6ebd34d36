"""Plans: of the stack, of what a killed run left behind, of the teardown. Each is saved, shown and applied as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import applying
from .core import (
    adoption_root,
    console,
    containers,
    database,
    database_record,
    embedded_aws,
    events,
    initialise,
    kept_state,
    keys,
    live_services,
    pins,
    recovery,
    runs,
    saved_plan,
    state_file,
    state_history,
    state_lock,
    terraform,
    unfinished,
    working_root,
)
from .core import plan as plans
from .core.console import Failed, say
from .core.saved_plan import SavedPlan
from .core.session import Session
from .core.terraform import Terraform

# What a killed run has left shows in layers: a resource can be looked up when what it needs is known.
HEALINGS = 20  # more than a stack has


def plan(terraform_: Terraform, session: Session, allow_older: bool = False,
         held: dict[str, str] | None = None) -> SavedPlan:
    """Make and save a plan of the stack. What an interrupted run has made is kept and adopted, never made twice.

    held  service -> the task definition that it goes on with for now
    Raises Refused (3) when a service would get an older image than it runs, unless that is allowed.
    """
    session.settings.require_images()
    keys.require_plannable(session, state_file.load(session))
    if session.settings.pinned and not allow_older:
        pins.require_not_older(session, live_services.images(session))
    given = {**given_values(session), "held_services": held or {}}

    def make(adopted: dict[str, str]) -> SavedPlan:
        return _make(terraform_, session, working_root.stack(session.settings, adopted), "stack", given)

    with undisturbed(session):
        made = _healed(terraform_, session, make, unfinished.everywhere(session))
    made.plan.require_adopted_kept()
    return made


def plan_recovery(terraform_: Terraform, session: Session, adopted: dict[str, str]) -> SavedPlan:
    """Make and save a plan that only takes what an interrupted run has made into the state: address -> id.

    Raises Refused (3) when it would replace or delete anything.
    """
    given = given_values(session)
    with undisturbed(session):
        root = working_root.stack(session.settings, adopted)
        made = _make(terraform_, session, root, "stack", given, targets=adopted)
    made.plan.require_nothing_lost()
    return made


def plan_teardown(terraform_: Terraform, session: Session, kept: Iterable[str]) -> SavedPlan:
    """Make and save a plan that deletes all that the state holds, and forgets what is kept.

    kept  addresses as the configuration has them, without instance keys
    """
    with undisturbed(session):
        return _make(terraform_, session, working_root.teardown(session.settings, kept), "teardown", None)


def plan_adoption(terraform_: Terraform, session: Session, root: Path, addresses: Iterable[str]) -> SavedPlan:
    """Make and save a plan that takes what is there into the state, by a root that says nothing else."""
    with undisturbed(session):
        made = _make(terraform_, session, root, adoption_root.KIND, None, targets=addresses)
    made.plan.require_nothing_changed()
    return made


def look_for_unfinished(terraform_: Terraform, session: Session, begun: Collection[str]) -> dict[str, str]:
    """address -> id of what of ``begun`` is in the account and not in the state. Saves no plan."""
    found: dict[str, str] = {}

    def make(adopted: dict[str, str]) -> SavedPlan:
        found.update(adopted)
        return _make(terraform_, session, working_root.stack(session.settings, adopted), "stack", given_values(session))

    with undisturbed(session):
        _healed(terraform_, session, make, begun)
        saved_plan.discard(session.settings)
    return found


def given_values(session: Session) -> terraform.Given:
    """What no file says: the password's version, which services wait for the database; in ``local`` where it answers."""
    settings = session.settings
    given: terraform.Given = {"db_password_version": applying.password_version(session)}
    if settings.is_local:
        server = embedded_aws.status(settings.root)
        given |= {"embedded_aws": server.endpoint or "", "images": settings.images}
        if not server.containers:  # nothing runs, so nothing has to wait
            return given
    return {**given, "waiting_services": waiting_services(session)}


def waiting_services(session: Session) -> list[str]:
    """The services that get no task before the database is ready for them; never one that serves, whatever is recorded."""
    unready = database_record.load(session).unready(session.settings)
    known = live_services.revisions(session) if unready else {}
    return [name for name in unready if name not in known or not _serves(session, name)]


def _serves(session: Session, name: str) -> bool:
    """Whether a service is to have tasks, or has some. One that waits has none, and ECS calls that completed, too."""
    cluster = session.settings.name
    found = containers.describe(session, cluster, f"{cluster}-{name}")
    return found is not None and bool(found.desired or found.running)


@contextmanager
def undisturbed(session: Session) -> Iterator[None]:
    """While a plan is made: no other task of this checkout, no run, nobody who holds the lock, no state left here."""
    with runs.one_task_at_a_time(session.settings):
        applying.require_nobody_applies(session)
        state_lock.require_free(session)
        state_history.require_not_lost(session)
        yield


def _make(terraform_: Terraform, session: Session, root: Path, kind: str, given: terraform.Given | None,
          targets: Iterable[str] = ()) -> SavedPlan:
    settings = session.settings
    saved_plan.discard(settings)
    saved_plan.discard_taken(settings)  # nobody applies
    kept_state.fetch(session)
    facts, draft = saved_plan.present_facts(settings, kind, targets), saved_plan.draft(settings)
    said: list[dict] = []
    say("Planning…")
    try:
        initialise.initialise_working_root(terraform_, root)
        run = terraform_.plan(draft, given, root, targets)
        if runs.follow(run, on_event=said.append) not in (0, 2):
            raise terraform.explain(run)
        if kind == "stack" and not targets:  # that others forget, or are not the whole, is what was asked for
            for warning in events.warnings(said):
                console.warn(warning)
        version = given["db_password_version"] if given else 0
        return saved_plan.save(settings, facts, plans.read(said), version, terraform.version())
    finally:
        draft.unlink(missing_ok=True)
        kept_state.discard(settings)


def _healed(terraform_: Terraform, session: Session, make: Callable[[dict[str, str]], SavedPlan],
            begun: Collection[str]) -> SavedPlan:
    """A plan that replaces nothing that keeps data only because it was interrupted, and makes nothing a second time."""
    adopted: dict[str, str] = {}
    for _ in range(HEALINGS):
        made = make(adopted)
        healed = [_untaint(terraform_, session, change) for change in made.plan.tainted_data()]
        found = _unfinished(terraform_, session, made, begun)
        if not healed and not found:
            return made
        adopted |= found
    raise Failed("What an interrupted run has left does not come to an end.", run=session.settings.command("drift"))


def _untaint(terraform_: Terraform, session: Session, change: plans.Change) -> str:
    """Wait for a resource whose creation was interrupted and take it as made: its data must not be replaced."""
    say(f"{change.address}: {change.reason}, but it exists and keeps data; it is kept.")
    if change.type == "aws_db_instance":
        database.wait_until_available(session, session.settings.database, say)
    terraform_.untaint(change.address)
    return change.address


def _unfinished(terraform_: Terraform, session: Session, made: SavedPlan, begun: Collection[str]) -> dict[str, str]:
    """address -> id of what the plan would make though an interrupted run has made it already."""
    lost = [change for change in made.plan.changes if change.address in begun and change.type in recovery.FINDERS
            and (change.action == "create" or change.action == "replace" and change.type in recovery.NEW_ONE_FIRST)]
    if not lost:
        return {}
    arguments = terraform_.planned_arguments(made.file, working_root.folder(session.settings, "stack"))
    state, found = state_file.load(session), {}
    for change in lost:
        known = recovery.known_ids(state.resources, change.type)
        known |= {found[other.address] for other in lost if other.type == change.type and other.address in found}
        id_ = recovery.find(session, change.type, arguments[change.address], known, say)
        if id_:
            say(f"{change.address}: its creation was interrupted, but it exists ({id_}); it is adopted.")
            found[change.address] = id_
            if change.action == "replace":
                recovery.set_aside(session, change.address)
    return found
