"""The last step of the way back: the state bucket and the image repository, when nothing needs them any more."""

from __future__ import annotations

from dataclasses import asdict

from .core import consent, console, keys
from .core import settings as project
from .core.console import Refused, say, show
from .core.session import Session, connect
from .core.teardown import bootstrapped
from .core.teardown.bootstrapped import Contents
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

CONFIRM = {"confirm": "the name <project>-<account>, instead of typing it (in local, `local` will do)"}


@task(help={**WORKSPACE, **JSON, **CONFIRM, **ENDPOINT})
def remove(context, workspace=None, json=False, confirm="", endpoint_from_env=False):
    """Take the state bucket and the image repository away once no state in the bucket holds anything. Never the key."""
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    contents = bootstrapped.look(session)
    if contents.nothing:
        return emit(session.settings, {"removed": [], **asdict(contents)}) if json else show("There is nothing to remove.")
    _require_unused(session)
    if not json:
        _show(session, contents)
    _ask(session.settings, confirm)
    _require_unused(session)  # the question may have stayed open for long
    removed = bootstrapped.remove(session)
    if json:
        return emit(session.settings, {"removed": removed, **asdict(contents)})
    for each in removed:
        show(f"Removed: {each}")
    if keys.find(session):
        say(f"The key behind {session.settings.key_alias} stays: other projects may use it.")
    say(f"  next: {session.settings.command('bootstrap')} makes both again")


def _require_unused(session: Session) -> None:
    """Raise Refused (3) with every state of the bucket that is still in use, whoever's it is."""
    used = bootstrapped.still_used(session)
    if used:
        listed = "".join(f"\n- {key}: {said}" for key, said in used.items())
        raise Refused(f"{session.settings.state_bucket} is still in use; nothing was removed.{listed}",
                      run=f"invoke destroy -w {session.settings.workspace}")


def _show(session: Session, contents: Contents) -> None:
    """What goes, as a table."""
    settings, rows = session.settings, []
    if contents.images is not None:
        rows.append(("image repository", settings.project.slug, f"{contents.images} images, of every workspace"))
    if contents.versions is not None:
        rows.append(("state bucket", settings.state_bucket,
                     f"{contents.versions} versions, {contents.bytes} bytes: the history of every workspace's state"))
    console.table("", ("will be removed", "name", "with"), rows, ["red"] * len(rows), last="with")
    if contents.strange:
        more = f" and {len(contents.strange) - 5} more" if len(contents.strange) > 5 else ""
        console.warn(f"The bucket also holds what is no state: {', '.join(contents.strange[:5])}{more}.")


def _ask(settings: project.Settings, confirm: str) -> None:
    """Both serve every workspace of the account: the name that is typed is the project's and the account's."""
    name = f"{settings.project.slug}-{settings.account}"
    names = (name, settings.workspace) if settings.is_local else (name,)
    consent.typed(names, confirm, f"remove both from account {settings.account}, {settings.region}",
                  settings.command("bootstrap.remove", "--confirm", names[-1]))
