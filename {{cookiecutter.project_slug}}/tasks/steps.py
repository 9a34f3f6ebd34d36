"""The steps that several tasks share, before and after a plan. Each looks, acts and says what it did."""

from __future__ import annotations

from dataclasses import replace

from .core import (
    console,
    initialise,
    keys,
    machine_image,
    neighbours,
    parameter_store,
    registry,
    state_bucket,
    state_file,
    terraform,
)
from .core import plan as plans
from .core import settings as project
from .core.console import Failed, Refused, say
from .core.plan import Plan
from .core.session import Session
from .core.state_file import State
from .core.terraform import Terraform


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
        require_never_there(session)
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


def require_never_there(session: Session) -> None:
    """Raise Refused (3) when the alias that is missing has led to a key before: a new one in its place could read nothing
    of what that has encrypted, and every project of the account would get it."""
    alias, known = session.settings.key_alias, what_tells_of_a_key(session)
    if known:
        raise Refused(f"{alias} leads to no key, and has led to one before: {'; '.join(known)}. If that key is still in the "
                      f"account, put the alias back: aws kms create-alias --alias-name {alias} --target-key-id "
                      f"{keys.held(_state_of(session)) or 'ID'}. If it is gone for good, a new one can be made.",
                      run=session.settings.command("kms.create"))


def what_tells_of_a_key(session: Session) -> list[str]:
    """What shows that an alias which is missing has been there, as phrases: secrets that name it, states that hold it."""
    services = parameter_store.services(session, keys.names_of_alias(session))
    managed = keys.held(_state_of(session))
    holders = neighbours.look(session).holders("aws_kms_alias", session.settings.key_alias)
    return [*([f"the secrets of {', '.join(services)} name it"] if services else []),
            *([f"this project's state holds its key {managed}"] if managed else []),
            *[f"the state {holder} holds it" for holder in holders]]


def _state_of(session: Session) -> State:
    return state_file.load(session) if state_bucket.exists(session) else state_file.EMPTY


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
