"""From a plan to maps: the apply, the database's jobs, the services after them, and the first map of each layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from . import applying, planning, service, wms
from .core import containers, database_record, embedded_aws, jobs, live_services, maps
from .core.console import Refused, WentWrong, say, show
from .core.database_record import Record
from .core.maps import LayerResult
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


def job_inputs(session: Session) -> dict[str, str]:
    """job -> fingerprint of what it would be given now; empty where no task runs. Raises BadInput (4)."""
    return database_record.fingerprints(session) if containers_run(session) else {}


def held_services(session: Session, inputs: dict[str, str]) -> dict[str, str]:
    """service -> the task definition that it goes on with while the database is prepared; empty when no job is due.

    Jobs run after the apply that gives them their rights and their image, and before the services get theirs. What waits
    for its first tasks has nothing to go on with.
    """
    if not database_record.load(session).needed(inputs):
        return {}
    waiting = planning.waiting_services(session)
    return {name: revision for name, revision in live_services.revisions(session).items() if name not in waiting}


def jobs_due(session: Session) -> list[str]:
    """The database's jobs whose input has changed since they last ran; none where no task runs."""
    return database_record.load(session).needed(job_inputs(session))


def roll_out(terraform_: Terraform, session: Session, saved: SavedPlan, inputs: dict[str, str], allow_replace: list[str],
             ask_for_maps: bool) -> Done:
    """Apply a plan, bring the database to where the services need it, and then the services.

    inputs  job -> fingerprint of what it is given, from before the image was made
    Services that waited (a first deployment) or were held get their tasks by a second apply. Raises as its steps do; the
    next deploy goes on where it stopped.
    """
    before = live_services.revisions(session)
    if not saved.plan.empty:
        applying.apply(terraform_, session, saved, allow_replace)
    outputs = terraform_.output()
    if not containers_run(session):
        return Done(outputs, changed=bool(bring_up(session, outputs, before, restart=False)))
    record, results = database_record.load(session), {}
    if record.needed(inputs):
        record, results = prepare_database(session, outputs, record, inputs)
        release_services(terraform_, session)
        outputs = terraform_.output()
    started = bring_up(session, outputs, before, record.restart)
    database_record.note_restarted(session, record)
    layers = tuple(smoke(session, outputs)) if ask_for_maps else ()
    return Done(outputs, results, layers, changed=bool(results or started))


def containers_run(session: Session) -> bool:
    """Whether tasks really run: everywhere but in an embedded AWS that only records them."""
    return not session.settings.is_local or embedded_aws.status(session.settings.root).containers


def prepare_database(session: Session, outputs: dict, record: Record,
                     inputs: dict[str, str]) -> tuple[Record, dict[str, dict]]:
    """Run the jobs that are due, one after the other; answers the record and job -> what it says it did.

    Each is noted as it ends well. Raises WentWrong (5) with a failed job's own exit code; what was done stays done.
    """
    results = {}
    for job in record.needed(inputs):
        say(f"{job}: {jobs.PURPOSE[job]}…")
        try:
            results[job] = jobs.run(session, outputs, job, _line_of(job))
        except WentWrong as wrong:
            # the job alone would be told the same again: what is deployed, and not what the file says after a correction
            again = wrong.run.startswith(("invoke service.run", "invoke docker.build")) if wrong.run else True
            raise WentWrong(wrong.message, run=session.settings.command("deploy") if again else wrong.run) from None
        record = database_record.note(session, record, job, inputs[job], jobs.changed(results[job]))
        say(f"{job}: {_told(results[job])}")
    return record, results


def _line_of(job: str) -> Callable[[str], None]:
    return lambda line: say(f"  {job} | {line}")


def _told(result: dict) -> str:
    said = [f"{name} {_words(value)}" for name, value in result.items() if name not in ("job", "changed") and value]
    return ", ".join([*said, "done" if jobs.changed(result) else "nothing to do"])


def _words(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items() if inner)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def release_services(terraform_: Terraform, session: Session) -> None:
    """The second apply: the services that waited for the database, or were held, get their new tasks.

    It needs no second consent as long as it touches nothing else. Raises Refused (3) when it would.
    """
    saved = planning.plan(terraform_, session, allow_older=True)  # the first plan has judged the images
    others = [change.address for change in saved.plan.changes if not ECS_SERVICE.match(change.address)]
    if others:
        raise Refused(f"The database is ready, but the plan that starts the services would change {', '.join(others)}, too.",
                      run=session.settings.command("deploy"))
    if not saved.plan.empty:
        say("The database is ready: starting the services.")
        applying.apply(terraform_, session, saved, [])


def bring_up(session: Session, outputs: dict, before: dict[str, str], restart: bool) -> set[str]:
    """Start again what has to be, and follow every service's deployment until it is completed.

    before   service -> the task definition that it ran
    restart  whether tasks that were not replaced have read ranges that are out of date
    Answers the services with new tasks. Raises WentWrong (5) after a rollback, TookTooLong (6).
    """
    cluster, made, started = outputs["cluster"], {}, set()
    services = outputs.get("services", {})
    for name, each in services.items():
        if before.get(name) != each["task_definition"]:
            started.add(name)
        elif restart:
            say(f"{each['service']}: new tasks, since they read what a layer covers only when they start.")
            made[each["service"]] = containers.restart(session, cluster, each["service"])
        if each["service"] not in made and (
                id_ := containers.restart_if_given_up(session, cluster, each["service"], each["task_definition"])):
            say(f"{each['service']}: ECS had given this deployment up; starting it again.")
            made[each["service"]] = id_
    service.follow(session, cluster, services.values(), made=made)
    return started | set(made)


def smoke(session: Session, outputs: dict) -> list[LayerResult]:
    """Ask each service that draws maps for one of each layer. Raises WentWrong (5) with what is wrong."""
    settings, services = session.settings, session.settings.variables["services"]
    layers = maps.layers_configured(settings.root) if not settings.variables.get("ows_config") else []
    found = []
    for name in settings.map_services:
        if services[name].get("desired_count", 1) == 0:
            continue
        results, cause = wms.look(session, outputs, name, layers or None, settings.private_dir("maps", settings.workspace))
        failed = [result for result in results if not result.ok]
        if failed:
            said = "; ".join(f"{result.layer}: {result.reason}" for result in failed)
            why = f" {cause.cause}" if cause else ""
            raise WentWrong(f"{name} runs, but it does not draw every layer. {said}.{why}",
                            run=cause.run if cause else "; ".join(wms.helpful(settings, failed)))
        found += results
    return found


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
