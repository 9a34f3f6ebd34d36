"""From a plan to maps: the apply, the database's jobs before or after it, the services, and the first map of each layer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from . import service, steps, wms
from .core import containers, database_record, embedded_aws, jobs, maps
from .core.console import Refused, WentWrong, say, show
from .core.database_record import Record
from .core.maps import LayerResult
from .core.plan import Plan
from .core.saved_plan import SavedPlan
from .core.session import Session
from .core.terraform import Terraform

ECS_SERVICE = re.compile(r'^module\.ecs\["([^"]+)"\]\.aws_ecs_service\.service$')


@dataclass(frozen=True)
class Done:
    """What a roll-out did.

    jobs     job -> what it says it did
    layers   each layer and the map that was drawn of it; empty where nothing can be drawn
    changed  whether anything is other than before
    """

    outputs: dict
    jobs: dict[str, dict] = field(default_factory=dict)
    layers: tuple[LayerResult, ...] = ()
    changed: bool = False


def roll_out(terraform_: Terraform, session: Session, saved: SavedPlan, allow_replace: list[str]) -> Done:
    """Apply a plan and bring the services up.

    A database that serves already is prepared before the apply, with the image that comes, so that the new tasks find
    what they need. On a first deployment it comes with the apply: the services wait for it without tasks, and a second
    apply gives them theirs. Raises as its steps do; the next deploy goes on where it stopped.
    """
    runs = containers_run(session)
    record = database_record.load(session) if runs else Record()
    results: dict[str, dict] = {}
    if runs and not record.unready(session.settings):
        results = prepare_database(session, terraform_.output(), record, image=_coming_image(session))
    if not saved.plan.empty:
        steps.apply(terraform_, session, saved, allow_replace)
    rolled = _services_of(saved.plan)
    outputs = terraform_.output()

    if runs:
        record = database_record.load(session)
        if record.unready(session.settings):
            results = prepare_database(session, outputs, record)
            rolled |= _services_of(start_waiting_services(terraform_, session))
            outputs = terraform_.output()
    restarted = bring_up(session, outputs, set() if not _ranges_changed(results) else set(outputs["services"]) - rolled)
    layers = tuple(smoke(session, outputs)) if runs else ()
    return Done(outputs, results, layers, changed=bool(results or rolled or restarted))


def containers_run(session: Session) -> bool:
    """Whether tasks really run: everywhere but in an embedded AWS that only records them."""
    return not session.settings.is_local or embedded_aws.status(session.settings.root).containers


def _coming_image(session: Session) -> str:
    """The image from which the jobs run: the first service's, as jobs.tf has it."""
    services = session.settings.variables["services"]
    first = min(services)
    return services[first].get("image") or session.settings.images[first]


def _services_of(plan: Plan) -> set[str]:
    """The services that a plan gives new tasks."""
    return {match[1] for change in plan.changes if (match := ECS_SERVICE.match(change.address))}


def _ranges_changed(results: dict[str, dict]) -> bool:
    return any(result.get("changed") for result in results.values())


def prepare_database(session: Session, outputs: dict, record: Record, image: str | None = None) -> dict[str, dict]:
    """Run the jobs that are due, one after the other, and note each as it ends well; answers job -> what it says it did.

    ``image`` is what is about to be rolled out; None runs them from the image that is deployed.
    Raises WentWrong (5) with a failed job's own exit code; what was done before it stays done.
    """
    results = {}
    for job in record.needed(session.settings):
        say(f"{job}: {jobs.PURPOSE[job]}…")
        results[job] = jobs.run(session, outputs, job, _line_of(job), environment=_job_input(session), image=image)
        record = database_record.write(session, record, job)
        say(f"{job}: {_told(results[job])}")
    return results


def _job_input(session: Session) -> dict[str, str]:
    """What the workspace's file says now; the task definition says it too, once it is applied."""
    variables = session.settings.variables
    return {"PRODUCTS": json.dumps(variables.get("products") or []), "INDEX": json.dumps(variables.get("index") or [])}


def _line_of(job: str) -> Callable[[str], None]:
    return lambda line: say(f"  {job} | {line}")


def _told(result: dict) -> str:
    said = [f"{name} {value}" for name, value in result.items() if name not in ("job", "changed") and value not in ([], {})]
    return ", ".join([*said, "done" if result.get("changed", True) else "nothing to do"])


def start_waiting_services(terraform_: Terraform, session: Session) -> Plan:
    """The second apply of a first deployment: the services that waited for the database get their tasks.

    It needs no second consent as long as it touches nothing else. Raises Refused (3) when it would.
    """
    saved = steps.plan(terraform_, session, allow_older=True)  # the first plan has judged the image
    others = [change.address for change in saved.plan.changes if not ECS_SERVICE.match(change.address)]
    if others:
        raise Refused(f"The database is ready, but the plan that starts the services would change {', '.join(others)}, too.",
                      run=session.settings.command("deploy"))
    if not saved.plan.empty:
        say("The database is ready: starting the services.")
        steps.apply(terraform_, session, saved, [])
    return saved.plan


def bring_up(session: Session, outputs: dict, restart: set[str]) -> set[str]:
    """Start again what has to be, and follow every service's deployment until it is completed; answers the former.

    Raises WentWrong (5) after a rollback, TookTooLong (6).
    """
    cluster, made = outputs["cluster"], {}
    services = outputs.get("services", {})
    for name, each in services.items():
        if name in restart:
            say(f"{each['service']}: new tasks, since they read what a layer covers only when they start.")
            made[each["service"]] = containers.restart(session, cluster, each["service"])
        elif id_ := containers.restart_if_given_up(session, cluster, each["service"], each["task_definition"]):
            say(f"{each['service']}: ECS had given this deployment up; starting it again.")
            made[each["service"]] = id_
    service.follow(session, cluster, services.values(), made=made)
    return set(made)


def smoke(session: Session, outputs: dict) -> list[LayerResult]:
    """Ask the first service for its capabilities and one map of each layer. Raises WentWrong (5) with what is wrong."""
    settings = session.settings
    if not outputs["services"] or not _asked_for(session):
        return []
    layers = maps.layers_configured(settings.root) if not settings.variables.get("ows_config") else []
    found, cause = wms.look(session, outputs, layers or None, settings.private_dir("maps", settings.workspace))
    wrong = [result for result in found if not result.ok]
    if wrong:
        said = ["It runs, but it does not draw every layer.", *(f"{result.layer}: {result.reason}." for result in wrong)]
        run = [cause.run] if cause else wms.helpful(settings, wrong)
        raise WentWrong(" ".join([*said, *([cause.cause] if cause else [])]), "; ".join(run))
    return found


def _asked_for(session: Session) -> bool:
    """Whether the first service is to have tasks at all."""
    services = session.settings.variables["services"]
    return services[min(services)].get("desired_count", 1) > 0


def show_maps(session: Session, done: Done) -> None:
    """Where the maps are; or why there is none."""
    for result in done.layers:
        show(f"Map of {result.layer}: {result.png.relative_to(session.settings.root)} "
             f"({result.opaque / result.total:.0%} of it shows data)")
    if done.layers:
        show(f"Maps at {done.outputs['wms_endpoint']}")
    elif not containers_run(session):
        reason = embedded_aws.status(session.settings.root).reason
        say(f"The embedded AWS records the containers and does not run them ({reason}): these addresses answer on AWS only.")
