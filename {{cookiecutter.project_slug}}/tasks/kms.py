"""The key that encrypts chamber's secrets: look at it, and rescue it while it can be."""

from __future__ import annotations

from .core import console, initialise, keys, parameter_store
from .core import settings as project
from .core.console import Refused, show
from .core.session import Session, connect
from .core.terraform import Terraform
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def status(context, workspace=None, json=False, endpoint_from_env=False):
    """Show the key behind chamber's alias: its state, and whose secrets are encrypted with it."""
    session = _session(workspace, endpoint_from_env)
    key = _require(session)
    managed, services = _managed(session), parameter_store.services(session, {key.alias, key.id, key.arn})
    if json:
        return emit(session.settings, {"alias": key.alias, "key_id": key.id, "state": key.state.value, "managed": managed,
                                       "services": services})
    console.table("", ("", ""), [
        ("alias", key.alias),
        ("key", key.id),
        ("state", key.state.value + (f" on {key.dies_at:%Y-%m-%d}" if key.dies_at else "")),
        ("in this project's state", "yes" if managed else "no"),
        ("encrypts the secrets of", ", ".join(services) or "nobody yet"),
    ])


@task(help={**WORKSPACE, **YES, **ENDPOINT})
def rescue(context, workspace=None, yes=False, endpoint_from_env=False):
    """Cancel the key's deletion and enable it again."""
    session = _session(workspace, endpoint_from_env)
    key = _require(session)
    if key.state is keys.KeyState.Enabled:
        return show(f"{key.alias} is enabled; there is nothing to rescue.")
    console.confirm(f"{key.alias} ({key.id}) is {key.state.value}. Enable it in account {session.settings.account}?", yes)
    show(f"{key.alias} is {keys.rescue(session, key).state.value}.")


def _session(workspace: str | None, endpoint_from_env: bool) -> Session:
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    return session


def _require(session: Session) -> keys.Key:
    key = keys.find(session)
    if key is None:
        raise Refused(f"There is no {session.settings.key_alias} in account {session.settings.account}.",
                      run=session.settings.command("bootstrap"))
    return key


def _managed(session: Session) -> bool:
    """Whether this project's state holds the key; it does not before the first deploy."""
    return not initialise.needed(session.settings) and keys.ADDRESS in Terraform(session).addresses()
