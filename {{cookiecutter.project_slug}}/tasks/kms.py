"""The key that encrypts chamber's secrets: look at it, make it, adopt it, let it go, and rescue it while it can be."""

from __future__ import annotations

from dataclasses import asdict

from . import adoption, steps
from .core import console, keys, neighbours, parameter_store
from .core import settings as project
from .core.console import Refused, say, show
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task

MATERIAL = {keys.OWN_MATERIAL: "AWS's own", "EXTERNAL": "imported"}


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def status(context, workspace=None, json=False, endpoint_from_env=False):
    """Show the key behind chamber's alias: its state, whose Terraform state manages it, and whose secrets it encrypts."""
    session = _session(workspace, endpoint_from_env)
    key = keys.find(session)
    if key is None:
        return _show_absent(session, json)
    managed = keys.held(adoption.state_of(session)) == key.id
    around = neighbours.look(session)
    holders = around.holders("aws_kms_key", key.id)
    rotation, others = keys.rotation(session, key), keys.other_aliases(session, key)
    services = parameter_store.services(session, keys.names_of(session, key))
    if json:
        return emit(session.settings, {
            "alias": key.alias, "key_id": key.id, "state": key.state.value, "managed": managed, "services": services,
            "dies_at": key.dies_at and key.dies_at.isoformat(), "rotation": rotation, "origin": key.origin,
            "other_aliases": others, "held_by": [asdict(holder) for holder in holders], "unread": around.unread})
    console.table("", ("", ""), [
        ("alias", key.alias),
        ("key", key.id),
        ("state", key.state.value + (f" on {key.dies_at:%Y-%m-%d}" if key.dies_at else "")),
        ("material", MATERIAL.get(key.origin, key.origin)),
        ("yearly rotation", rotation),
        *([("other aliases", ", ".join(others))] if others else []),
        ("in this project's state", "yes" if managed else "no"),
        ("in the state of others", "\n".join(map(str, holders)) or f"in none of {neighbours.LOOKED_AT}"),
        ("encrypts the secrets of", ", ".join(services) or "nobody yet"),
    ])
    adoption.tell_unread(around)


def _show_absent(session: Session, json: bool) -> None:
    """That there is no such alias is an answer, too; secrets that were written under it cannot be read until it leads
    to their key again."""
    settings = session.settings
    services = parameter_store.services(session, keys.names_of_alias(session))
    if json:
        return emit(settings, {
            "alias": settings.key_alias, "key_id": None, "state": keys.ABSENT, "managed": False, "services": services,
            "dies_at": None, "rotation": None, "origin": None, "other_aliases": [], "held_by": [], "unread": []})
    console.table("", ("", ""), [("alias", settings.key_alias), ("state", keys.ABSENT),
                                 *([("was named by the secrets of", ", ".join(services))] if services else [])])
    say(f"  next: {settings.command('kms.create')}")


@task(help={**WORKSPACE, **YES, **ENDPOINT})
def create(context, workspace=None, yes=False, endpoint_from_env=False):
    """Make a key and chamber's alias on it, when there is no such alias. One that a stopped task left is taken up.

    Asks where the alias has led to a key before.
    """
    session = _session(workspace, endpoint_from_env)
    key = keys.find(session)
    if key:
        return show(f"{key.alias} is there already, and leads to the key {key.id} ({key.state.value}).")
    known, alias = steps.what_tells_of_a_key(session), session.settings.key_alias
    if known:
        console.warn(f"{alias} has led to a key before: {'; '.join(known)}. A new one reads none of it.")
        console.confirm(f"Make a new key in account {session.settings.account} all the same?", yes)
    key = keys.create(session)
    show(f"{key.alias} leads to the key {key.id}.")


@task(help={**WORKSPACE, **YES, **ENDPOINT}, name="import")
def import_(context, workspace=None, yes=False, endpoint_from_env=False):
    """Put the key behind chamber's alias, and the alias, under this project's management. Never makes one, never changes it.

    Every plan does the same by itself.
    """
    session = _session(workspace, endpoint_from_env)
    key, state = _require(session), adoption.state_of(session)
    keys.require_same(session, state, key)
    missing = {address: id_ for address, id_ in ((keys.ADDRESS, key.id), (keys.ALIAS_ADDRESS, key.alias))
               if address not in state.addresses}
    if not missing:
        return show(f"{key.alias} ({key.id}) is managed by this project already.")
    key.require_usable(session.settings.command("kms.rescue"))
    console.confirm(f"Adopt {key.alias} ({key.id}) in account {session.settings.account}?", yes)
    adoption.adopt(session, missing)
    show(f"{key.alias} ({key.id}) is managed by this project.")


@task(help={**WORKSPACE, **YES, **ENDPOINT})
def forget(context, workspace=None, yes=False, endpoint_from_env=False):
    """Take the key and its alias out of this project's state. Both stay in the account, with all that they encrypt."""
    session = _session(workspace, endpoint_from_env)
    held = [address for address in (keys.ADDRESS, keys.ALIAS_ADDRESS) if address in adoption.state_of(session).addresses]
    if not held:
        return show("This project's state holds neither the key nor its alias.")
    console.confirm(f"Take {' and '.join(held)} out of the state of workspace {session.settings.workspace}?", yes)
    adoption.forget(session, held)
    show("Forgotten; both are in the account as they were.")
    say(f"The next plan adopts what {session.settings.key_alias} leads to then.")


@task(help={**WORKSPACE, **YES, **ENDPOINT})
def rescue(context, workspace=None, yes=False, endpoint_from_env=False):
    """Cancel the key's deletion and enable it again."""
    session = _session(workspace, endpoint_from_env)
    key = _require(session)
    if key.state is keys.KeyState.Enabled:
        return show(f"{key.alias} is enabled; there is nothing to rescue.")
    key.require_rescuable()
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
                      run=session.settings.command("kms.create"))
    return key
