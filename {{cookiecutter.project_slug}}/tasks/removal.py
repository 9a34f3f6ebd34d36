"""The last step of the way back: the state bucket and the image repository, when nothing needs them any more."""

from __future__ import annotations

from dataclasses import asdict

from .core import consent, console, keys
from .core import policy as policies
from .core import settings as project
from .core.console import Refused, say, show
from .core.session import Session, connect
from .core.teardown import bootstrapped
from .core.teardown.bootstrapped import Contents
from .deploy import PERMISSIONS
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

CONFIRM = {"confirm": "the name <project>-<account>, instead of typing it (in local, `local` will do)"}


@task(help={**WORKSPACE, **JSON, **CONFIRM, **PERMISSIONS, **ENDPOINT})
def remove(context, workspace=None, json=False, confirm="", permission_check=True, endpoint_from_env=False):
    """Take the state bucket and the image repository away once no state in the bucket holds anything. Never the key."""
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    contents = bootstrapped.look(session)
    _tell_unmarked(session, contents)
    if contents.nothing:
        return emit(session.settings, {"removed": [], **asdict(contents)}) if json else show("There is nothing to remove.")
    _require_unused(session, contents)
    if permission_check:
        policies.require(session, "remove")
    if not json:
        _show(session, contents)
    _ask(session.settings, confirm)
    _require_unused(session, bootstrapped.look(session))  # the question may have stayed open for long
    removed = bootstrapped.remove(session)
    if json:
        return emit(session.settings, {"removed": removed, **asdict(contents)})
    for each in removed:
        show(f"Removed: {each}")
    if keys.find(session):
        say(f"The key behind {session.settings.key_alias} stays: other projects may use it.")
    say(f"  next: {session.settings.command('bootstrap')} makes both again")


def _tell_unmarked(session: Session, contents: Contents) -> None:
    for each in contents.unmarked:
        console.warn(f"The {each} stays: its tags Created_by and Project do not both say {session.settings.project.slug}. "
                     "It may be somebody else's; if it is this project's, delete it by hand.")


def _require_unused(session: Session, contents: Contents) -> None:
    """Raise Refused (3) with every state of the bucket that is still in use, whoever's it is, and all that is no state."""
    settings, used = session.settings, bootstrapped.still_used(session, by_others=contents.versions is not None)
    strange = [key for key in contents.strange if key not in used]
    if not used and not strange:
        return
    listed = [f"\n- {key}: {said}" for key, said in used.items()]
    listed += [f"\n- {key}: not of this project" for key in strange[:5]]
    if len(strange) > 5:
        listed.append(f"\n- and {len(strange) - 5} more that are not of this project")
    known = [each for each in bootstrapped.workspaces(session, used) if each in project.workspaces(settings.root)]
    raise Refused(f"{settings.state_bucket} is still in use; nothing was removed.{''.join(listed)}",
                  run=f"invoke destroy -w {known[0]}" if known else None)


def _show(session: Session, contents: Contents) -> None:
    """What goes, as a table."""
    settings, rows = session.settings, []
    if contents.images is not None:
        rows.append(("image repository", settings.project.slug, f"{contents.images} images, of every workspace"))
    if contents.versions is not None:
        rows.append(("state bucket", settings.state_bucket,
                     f"{contents.versions} versions, {contents.bytes} bytes: the history of every workspace's state"))
    console.table("", ("will be removed", "name", "with"), rows, ["red"] * len(rows), last="with")


def _ask(settings: project.Settings, confirm: str) -> None:
    """Both serve every workspace of the account: the name that is typed is the project's and the account's."""
    name = f"{settings.project.slug}-{settings.account}"
    names = (name, settings.workspace) if settings.is_local else (name,)
    consent.typed(names, confirm, f"remove both from account {settings.account}, {settings.region}",
                  settings.command("bootstrap.remove", "--confirm", names[-1]))
