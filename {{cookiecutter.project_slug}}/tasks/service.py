"""The services that run, and jobs beside them: look, wait, go back, run once, open a shell.

There is no `scale`: how many tasks run is the workspace's desired_count, which Terraform would put back at its next apply.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import applying, planning, steps
from .core import console, containers, ecs_tasks, jobs, pins, revisions, service_deployments, shell, state_bucket, watch
from .core import settings as project
from .core.console import BadInput, Interrupted, Refused, WentWrong, say, show
from .core.service_deployments import RolledBack
from .core.session import Session, connect
from .core.settings import Settings
from .core.terraform import Terraform
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, positional, task

NAMED = {"service": "a service of workspaces/NAME.tfvars; several with commas between them (default: all)"}


@dataclass(frozen=True)
class Stack:
    """What is deployed, and how to reach it."""

    session: Session
    terraform: Terraform
    outputs: dict

    @property
    def cluster(self) -> str:
        return self.outputs["cluster"]

    def services(self, named: str = "") -> dict[str, dict]:
        """Those named, by their name here or in ECS (several: with commas between them); all without a name."""
        known = self.outputs["services"]
        if not named:
            return known
        chosen = {}
        for name in filter(None, (each.strip() for each in named.split(","))):
            key = name if name in known else next((key for key, made in known.items() if made["service"] == name), None)
            if key is None:
                raise BadInput(f"There is no service {name} (there are: {', '.join(sorted(known))}).")
            chosen[key] = known[key]
        return chosen

    def service(self, named: str = "") -> tuple[str, dict]:
        """The one that is named, or the only one."""
        found = self.services(named)
        if len(found) != 1:
            raise BadInput(f"Say which service: {', '.join(sorted(found))}.")
        return next(iter(found.items()))


class NotDeployed(Refused):
    """The workspace has no stack: there is no state, or nothing in it."""

    def __init__(self, settings: Settings):
        super().__init__(f"Workspace {settings.workspace} is not deployed.", run=settings.command("deploy"))
        self.settings = settings


def deployed(workspace: str | None, endpoint_from_env: bool) -> Stack:
    """The workspace's stack. Raises NotDeployed (3) while nothing is deployed."""
    session = connect(project.load(workspace), endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    if not state_bucket.exists(session):
        raise NotDeployed(session.settings)
    steps.init(terraform_, session)
    try:
        return Stack(session, terraform_, steps.require_outputs(terraform_))
    except Refused:
        raise NotDeployed(session.settings) from None


def _number(text: str, flag: str) -> int:
    if not text.isdecimal() or not int(text):
        raise BadInput(f"{flag} {text!r}: a whole number from 1 on was expected.")
    return int(text)


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def status(context, workspace=None, json=False, endpoint_from_env=False):
    """Show each service: its revision, its image, its tasks and their health, and the state of its deployment."""
    try:
        stack = deployed(workspace, endpoint_from_env)
    except NotDeployed as none:
        if json:
            return emit(none.settings, {"services": []})
        show(f"{none.message} It has no service.")
        return say(f"  next: {none.run}")
    # an apply that was killed early has not written every output
    rows = [_row(stack, key, made) for key, made in sorted(stack.outputs.get("services", {}).items())]
    if json:
        return emit(stack.session.settings, {"services": rows})
    console.table("", ("service", "task definition", "tasks", "healthy", "deployment", "image"), [
        (row["service"], row["task_definition"] or "", f"{row['running']} of {row['desired']}", row["healthy_targets"],
         row["deployment"], row["image"] or "") for row in rows], last="image")


def _row(stack: Stack, key: str, made: dict) -> dict:
    """The contract's fields. ``deployment`` is ECS's rollout state; ROLLED_BACK when it runs another revision than it was
    given last; HELD when that is an earlier one, since the database is not prepared for the newest."""
    found = containers.describe(stack.session, stack.cluster, made["service"], health=True)
    if found is None or not found.deployments:
        return {"service": key, "task_definition": None, "image": None, "desired": 0, "running": 0, "healthy_targets": 0,
                "deployment": "MISSING"}
    primary = found.deployments[0]
    return {
        "service": key,
        "task_definition": primary.task_definition.rpartition("/")[2],
        "image": revisions.read(stack.session, primary.task_definition, key).image,
        "desired": found.desired,
        "running": found.running,
        "healthy_targets": found.health.healthy,
        "deployment": "ROLLED_BACK" if primary.task_definition != _given(made) else "HELD" if _held(made) else primary.state,
    }


def _given(made: dict) -> str:
    """The revision that the service was given last; an apply of an earlier template did not tell."""
    return made.get("runs") or made["task_definition"]


def _held(made: dict) -> bool:
    """Whether that is an earlier one: a job failed, or has not ended, that prepares the database for the newest."""
    return _given(made) != made["task_definition"]


@task(help={**WORKSPACE, **JSON, **ENDPOINT, **NAMED, "timeout": "minutes to wait at most"})
def wait(context, service="", workspace=None, timeout=str(containers.LIMIT // 60), json=False, endpoint_from_env=False):
    """Wait until what was deployed runs and is healthy; exits with 5 after a roll-back, with 6 when it takes too long.

    A service that is held at an earlier revision is followed there.
    """
    minutes = _number(timeout, "--timeout")
    stack = deployed(workspace, endpoint_from_env)
    chosen = stack.services(service)
    over = {each["service"]: service_deployments.rolled_back_lately(stack.session, stack.cluster, each["service"])
            for each in chosen.values() if not _held(each)}  # what was rolled back is not what it is held at
    follow(stack.session, stack.cluster, chosen.values(), minutes, over=over)
    if json:
        return emit(stack.session.settings, {"services": [_row(stack, *each) for each in sorted(chosen.items())]})
    held = sorted(name for name, each in chosen.items() if _held(each))
    if set(chosen) - set(held):
        show(f"{', '.join(sorted(set(chosen) - set(held)))}: deployed, and healthy.")
    if held:
        show(f"{', '.join(held)}: healthy, but held at an earlier revision: the database is not prepared for the newest.")
        say(f"  next: {stack.session.settings.command('deploy')}")


def follow(session: Session, cluster: str, services: Iterable[dict], minutes: float = containers.LIMIT / 60,
           made: dict[str, str] | None = None, over: dict[str, RolledBack | None] | None = None) -> list[containers.Service]:
    """Follow the deployments of services (as the outputs tell of them) until they run, showing how far they are.

    made  ECS service -> the id of the deployment to follow; else that of the task definition that it was given
    over  ECS service -> its deployment, when that was rolled back already
    Raises WentWrong (5) and TookTooLong (6).
    """
    with watch.shown() as (on_progress, on_say):
        followings = [
            containers.Following(session, cluster, name := each["service"], _given(each), (made or {}).get(name),
                                 on_say, (over or {}).get(name)) for each in services
        ]
        try:
            return containers.wait_for_all(followings, on_progress, minutes * 60)
        except KeyboardInterrupt:
            raise Interrupted("The deployment goes on in AWS.", run=session.settings.command("service.wait")) from None


@task(help={
    **WORKSPACE, **YES, **ENDPOINT, "service": "the service to roll back (default: the only one)",
    "to": "number of the revision whose image is wanted (default: the newest earlier one with another image)",
})
def rollback(context, service="", to="", workspace=None, yes=False, endpoint_from_env=False):
    """Go back to the image of an earlier revision: pin it, apply that, and wait until it runs. A plan is clean afterwards.

    Terraform registers a new revision with the old image: its state stays true, and the way back is in the history.
    """
    number = _number(to, "--to") if to else None
    stack = deployed(workspace, endpoint_from_env)
    session, settings = stack.session, stack.session.settings
    key, made = stack.service(service)
    if key not in pins.services(settings):
        raise Refused(f"The image of {key} stands in {settings.tfvars.name}: put the earlier one there.",
                      run=settings.command("deploy"))
    revision = revisions.choose(session, made["task_definition"], key, number)
    say(f"{key}: from {made['image']}")
    say(f"{' ' * len(key)}    to {revision.image} (revision {revision.number})")
    with pins.put_back_on_failure(settings):
        pins.write(settings, {key: revision.image})
        session = steps.reload(session)
        terraform_ = steps.connect_for_terraform(session)
        saved = planning.plan(terraform_, session, allow_older=True)
        steps.show_plan(saved.plan)
        saved.plan.require_data_kept([], run=settings.command("apply"))
        console.confirm(f"Apply this to account {settings.account}, {settings.region}, workspace {settings.workspace}?", yes)
    if not saved.plan.empty:
        applying.apply(terraform_, session, saved, [])
    outputs = terraform_.output()
    follow(session, outputs["cluster"], [outputs["services"][key]])
    show(f"{key} runs the image of revision {revision.number} again; {settings.images_file.name} has its digest.")
    say(f"  next: commit {settings.images_file.relative_to(settings.root)}; and mend image/ before the next deploy, which "
        "goes forward again")


@task(help={
    **WORKSPACE, **JSON, **ENDPOINT, "job": "init-db, schema, products, index, ranges, or a job of the workspace",
    "stop": "end the job where it runs, instead of running it", "timeout": "minutes to wait at most",
    "no_restart": "leave the services as they are when the database has changed",
})
@positional("job")
def run(context, *, workspace=None, json=False, job, stop=False, no_restart=False, timeout=str(jobs.LIMIT // 60),
        endpoint_from_env=False):
    """Run a job to its end and show its log: init-db, schema, products, index, ranges, or one of the workspace's own.

    After ranges, and when another of the first five changed something, the services are started anew: their tasks read
    password, layers and ranges only as they start, and a layer that the database once failed stays away.
    """
    minutes = _number(timeout, "--timeout")
    stack = deployed(workspace, endpoint_from_env)
    session, settings = stack.session, stack.session.settings
    if stop:
        return _stop(stack, job, json)
    result = jobs.run(session, stack.outputs, job, say, limit=minutes * 60)
    stale = job == "ranges" or (job in jobs.OWN and jobs.changed(result))
    restarted = _restart(stack) if stale and not no_restart else []
    if json:
        return emit(settings, {"job": job, "result": result, "restarted": restarted})
    told = ", ".join(f"{name} {value}" for name, value in result.items() if name not in ("job", "changed"))
    show(f"{job}: done{f' ({told})' if told else ''}{'' if jobs.changed(result) else '; nothing has changed'}.")


def _stop(stack: Stack, job: str, json: bool) -> None:
    stopped = jobs.stop(stack.session, stack.outputs, job)
    if json:
        return emit(stack.session.settings, {"job": job, "stopped": stopped})
    show(f"Stopped: {job} ({', '.join(stopped)})." if stopped else f"{job} does not run.")


def _restart(stack: Stack) -> list[str]:
    """New tasks for every service that runs any; answers their names."""
    running = {}
    for key, made in stack.outputs["services"].items():
        found = containers.describe(stack.session, stack.cluster, made["service"])
        if found and found.desired:
            running[key] = made
            say(f"{made['service']}: started anew, since its tasks read the database's state only as they start.")
    ids = {made["service"]: containers.restart(stack.session, stack.cluster, made["service"]) for made in running.values()}
    follow(stack.session, stack.cluster, running.values(), made=ids)
    return sorted(running)


@task(name="exec", help={
    **WORKSPACE, **ENDPOINT, "service": "the service whose task it is (default: the only one)",
    "command": "what to run, in quotes (default: a shell)", "task": "the beginning of the task's id (default: the newest)",
})
def exec_(context, service="", command="", task="", workspace=None, endpoint_from_env=False):
    """Open a shell in a running task, or run one command there (a single word in quotes).

    Chamber gives its secrets to the server alone: /chamber exec "$CHAMBER_SERVICE" -- COMMAND gives them to yours.
    """
    stack = deployed(workspace, endpoint_from_env)
    key, made = stack.service(service)
    jobs.require_containers(stack.session)
    shell.require_tools(stack.session)
    chosen = _task(stack, made["service"], task)
    code = shell.execute(stack.session, stack.cluster, chosen, key, command)
    if code and command:
        raise WentWrong(f"The command ended with exit code {code} in task {chosen.id}.")


def _task(stack: Stack, service: str, beginning: str) -> ecs_tasks.Task:
    started = ecs_tasks.find(stack.session, stack.cluster, serviceName=service)
    running = [each for each in started if each.status == "RUNNING"]
    found = [each for each in running if each.id.startswith(beginning)]
    if not found:
        known = ", ".join(each.id[:8] for each in running) or "none"
        raise WentWrong(f"{service} has no running task {beginning or 'to open a shell in'} (running: {known}).",
                        run=stack.session.settings.command("service.status"))
    return found[0]
