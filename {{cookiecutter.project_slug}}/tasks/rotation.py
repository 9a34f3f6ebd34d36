"""The steps behind chamber.rotate: a new password in the store and in the database, or the old one in both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import applying, planning
from .core import containers, jobs, parameter_store
from .core.console import BadInput, Interrupted, Refused, TaskError, Terminated, TookTooLong, say
from .core.parameter_store import DB_PASSWORD
from .core.plan import Plan
from .core.session import Session
from .core.settings import Settings
from .core.terraform import Terraform

GOES_ON = (Interrupted, Terminated, TookTooLong)  # what was begun may still be done by Terraform or a job


def choose(settings: Settings, service: str) -> str:
    """The chamber service whose password is changed. Raises BadInput unless its login is this project's to change."""
    own = settings.own_chamber_services
    if not service and len(own) == 1:
        return own[0]
    if service.lower() not in (*own, settings.admin_service):
        raise BadInput(f"{service or 'No service'} was named; this workspace has the logins of "
                       f"{', '.join(own) or 'no service'}, and the administration's, {settings.admin_service}.",
                       run=settings.command("chamber.rotate", "--service", (own or [settings.admin_service])[0]))
    return service.lower()


def require_password(session: Session, service: str) -> str:
    """The password that is to be replaced. Raises Refused (3) when there is none yet."""
    found = parameter_store.read(session, service, DB_PASSWORD)
    if not found:
        raise Refused(f"The parameter store has no {parameter_store.name(service, DB_PASSWORD)} that could be changed.",
                      run=session.settings.command("deploy"))
    return found


def serving(session: Session, outputs: dict, service: str) -> None:
    """Change the password of a service's login role: in the store, by init-db in the database, then in new tasks."""
    jobs.require_containers(session)
    with _new_password(session, service, "service.run init-db"):
        jobs.run(session, outputs, "init-db", say)
    _restart(session, outputs, service)


def administration(terraform_: Terraform, session: Session) -> None:
    """Change the master password: in the store, and by Terraform in the database, which is sent a new version only."""
    pending = planning.plan(terraform_, session).plan
    if not pending.empty:
        raise Refused("The password was not changed: the workspace differs from what is deployed, and that would be applied "
                      f"with it ({_listed(pending)}).", run=session.settings.command("deploy"))
    with _new_password(session, session.settings.admin_service, "deploy"):
        saved = planning.plan(terraform_, session)
        if [(change.type, change.action) for change in saved.plan.changes] != [("aws_db_instance", "update")]:
            raise Refused(f"The plan should hold the database's update and nothing else; it holds {_listed(saved.plan)}.")
        applying.apply(terraform_, session, saved, [])


@contextmanager
def _new_password(session: Session, service: str, mend: str) -> Iterator[None]:
    """Write a new password; where what follows fails, the old one goes back, and ``mend`` has the database follow.

    What is interrupted, or takes too long, may still end well: Terraform and a job go on alone. Then the new one stays.
    """
    old = require_password(session, service)
    run = session.settings.command(*mend.split())
    parameter_store.write(session, service, DB_PASSWORD, parameter_store.generated_password())
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) or isinstance(error, GOES_ON):
            say(f"The store holds the new password. Should the database not have it in the end, it takes it by: {run}")
            raise
        parameter_store.write(session, service, DB_PASSWORD, old)
        if not isinstance(error, TaskError):
            raise
        raise type(error)(f"{error.message}\nThe old password is back in the store. In case the database has the new one "
                          "already, the command below gives it the old one again.", run=run) from error


def _restart(session: Session, outputs: dict, service: str) -> None:
    """Start the tasks anew that read this chamber service, and follow them: they read secrets only as they start."""
    following = []
    for name, reads in session.settings.serving_services.items():
        deployed = outputs["services"].get(name)
        if reads == service and deployed:
            where = (session, outputs["cluster"], deployed["service"])
            say(f"{deployed['service']}: new tasks take the new password.")
            made = containers.restart(*where)
            following.append(containers.Following(*where, deployed["task_definition"], id=made, on_say=say))
    containers.wait_for_all(following, on_progress=lambda found: None)


def _listed(plan: Plan) -> str:
    found = [f"{change.address} ({change.action})" for change in plan.most_careful_first()]
    return ", ".join(found) or f"{plan.outputs} changed outputs"
