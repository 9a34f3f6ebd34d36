"""The whole way back in one command: from a running workspace to what is kept of it, and what that costs."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from . import applying, planning, steps
from .core import (
    consent,
    console,
    database_record,
    runs,
    saved_plan,
    secret_input,
    state_bucket,
    state_file,
    state_history,
    state_lock,
    teardown,
    working_root,
)
from .core import settings as project
from .core.console import BadInput, Failed, Refused, say, show
from .core.keys import Key
from .core.saved_plan import SavedPlan
from .core.session import Session, connect
from .core.state_file import State
from .core.teardown import drain, earlier, exports, kept, refusals, remains, shown, snapshot
from .core.teardown import key as keys
from .core.teardown.kept import Kept
from .core.teardown.refusals import Refusal
from .core.teardown.shown import Shown
from .core.teardown.standing import Standing, told
from .deploy import PERMISSIONS
from .frame import ENDPOINT, JSON, emit, task

FLAGS = {
    "workspace": "the workspace, a file workspaces/NAME.tfvars; it must be named",
    "confirm": "the name <project>-<workspace>, instead of typing it (in local, `local` will do); --json wants it",
    "plan_only": "show what would be lost, kept and refused, and change nothing; apply wants a new plan then",
    "allow_loss": "address of something whose data may be lost (repeatable); lifts no deletion protection",
    "delete_logs": "delete the log groups, too, as far as nobody else's state holds them",
    "snapshot": "take a snapshot of the database first, outside local; --no-snapshot wants --allow-loss with its address",
    "export_secrets": "a folder that first gets an encrypted file of each chamber service of this workspace",
    "destroy_key": "schedule the shared KMS key for deletion, if nobody else's secrets need it; asks a second time",
    "confirm_key": "the key's alias, instead of typing it",
    **PERMISSIONS, **JSON, **ENDPOINT,
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What was asked for, beside the workspace."""

    allow_loss: tuple[str, ...] = ()
    delete_logs: bool = False
    snapshot: bool = True
    secrets: Path | None = None
    destroy_key: bool = False
    plan_only: bool = False
    json: bool = False
    endpoint_from_env: bool = False
    permission_check: bool = True

    def takes_snapshots(self, settings: project.Settings) -> bool:
        return self.snapshot and not settings.is_local

    def command(self, settings: project.Settings, *more: str) -> str:
        """The command that asks for the same again, as a person types it. Consent is never in it: it is given once."""
        flags = [word for address in self.allow_loss for word in ("--allow-loss", shlex.quote(address))]
        flags += ["--export-secrets", shlex.quote(str(self.secrets))] if self.secrets else []
        flags += [flag for flag, given in (("--delete-logs", self.delete_logs), ("--no-snapshot", not self.snapshot),
                                           ("--destroy-key", self.destroy_key), ("--json", self.json),
                                           ("--endpoint-from-env", self.endpoint_from_env),
                                           ("--no-permission-check", not self.permission_check)) if given]
        return teardown.command(settings, *flags, *more)


@task(help=FLAGS, iterable=["allow_loss"])
def destroy(context, workspace=None, json=False, confirm="", plan_only=False, allow_loss=None, delete_logs=False,
            snapshot=True, export_secrets="", destroy_key=False, confirm_key="", permission_check=True,
            endpoint_from_env=False):
    """Take a workspace down, all but the shared key and the logs: shows it all, asks, and refuses what would lose data."""
    if workspace is None:
        raise BadInput(f"destroy has no default workspace: name one with -w (known: {', '.join(project.workspaces())}).")
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    wanted = Wanted(tuple(allow_loss or ()), delete_logs, snapshot, Path(export_secrets) if export_secrets else None,
                    destroy_key, plan_only, json, endpoint_from_env, permission_check)
    followed = _follow_earlier(session)
    _require_workable(session, wanted)
    state = _state(session)
    if state.lineage and not state.resources and not plan_only:
        _tidy(session, earlier.whole(session, state))  # a try that was killed at its very end has not come to it
    key = keys.find(session) if destroy_key else None
    if not state.resources and key is None:
        if followed:
            return _report(session, earlier.whole(session, state), shown.NOTHING, Standing(deleted=True), None, json)
        return _report_nothing(session, json)

    seen = _plan(session, state, wanted, key)
    if not json:
        shown.table(settings, seen)
    if plan_only:
        return emit(settings, seen.as_dict()) if json else None
    _require_named(settings, wanted, confirm, key, confirm_key)
    passphrase = secret_input.passphrase(twice=True) if wanted.secrets else ""
    _ask(settings, wanted, confirm, key, confirm_key)
    standing = Standing(deleted=not state.resources)
    with told(settings, standing, wanted.command(settings)):
        _save(session, state, wanted, passphrase, standing, seen.serving)
        if seen.saved:
            _tear_down(session, state, seen, wanted, standing)
        if key:
            keys.schedule_deletion(session, key)
    _report(session, earlier.whole(session, state), seen, standing, key, json)


def _follow_earlier(session: Session) -> bool:
    """Follow a destroy that goes on though its task was killed; answers whether there was one.

    That it failed is said and stops nothing: this one goes on from where it stood.
    """
    try:
        return applying.follow_destroy(session)
    except Failed as failed:
        console.warn(failed.message)
        return True


def _require_workable(session: Session, wanted: Wanted) -> None:
    """Raise Refused (3) with every reason why the state cannot be worked with now: somebody does, or it is not whole."""
    checks = [applying.require_nobody_applies]
    if state_bucket.exists(session):
        checks += [state_lock.require_free, state_history.require_not_lost]
    found = []
    for check in checks:
        try:
            check(session)
        except Refused as error:
            found.append(Refusal("the state", error.message, error.run or ""))
    refusals.raise_all(found, wanted.command(session.settings))


def _state(session: Session) -> State:
    return state_file.load(session) if state_bucket.exists(session) else state_file.EMPTY


def _plan(session: Session, state: State, wanted: Wanted, key: Key | None) -> Shown:
    """What would be lost, kept and refused. Raises Refused (3) with every reason, unless only the plan is asked for."""
    settings = session.settings
    refused = refusals.find(session, state, wanted.allow_loss, wanted.snapshot)
    if key:
        refused += keys.refusals(session, key, wanted.secrets is not None)
    if state.resources and wanted.permission_check:
        refused += refusals.permissions(session)
    if not wanted.plan_only:
        refusals.raise_all(refused, wanted.command(settings))
    if not state.resources:
        return Shown(None, [], refused, {})
    staying = kept.choose(session, state, wanted.delete_logs)
    serving = _serving(session, state, wanted)
    notes = shown.notes(session, state, wanted.takes_snapshots(settings), serving)
    return Shown(_saved(session, state, staying, wanted), staying, refused, notes, serving)


def _serving(session: Session, state: State, wanted: Wanted) -> dict[str, str]:
    """The snapshots of an earlier try that are not taken again. With --json none: nobody is told how old they are."""
    if wanted.json or not wanted.takes_snapshots(session.settings):
        return {}
    return snapshot.earlier(session, state)


def _saved(session: Session, state: State, staying: list[Kept], wanted: Wanted) -> SavedPlan:
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    saved = planning.plan_teardown(terraform_, session, kept.configured(staying, state))
    kept.require_as_chosen(saved.plan, staying)
    _require_same(session, state, wanted)
    return saved


def _require_same(session: Session, state: State, wanted: Wanted) -> None:
    """Raise Refused (3) when the state is no longer the one that was looked at: nobody knows whether the rest may go."""
    now = _state(session)
    if (now.lineage, now.serial) != (state.lineage, state.serial):
        raise Refused(f"Somebody has changed the workspace since this was looked at: its state was serial {state.serial} "
                      f"and is {now.serial}.", run=wanted.command(session.settings))


def _still(session: Session, state: State, seen: Shown, wanted: Wanted) -> SavedPlan:
    """The plan that was shown; made again when the snapshot took so long that it is getting too old to be applied.

    Raises Refused (3) when it would not do the same any more.
    """
    if seen.saved.age < timedelta(minutes=session.settings.project.plan_max_age_minutes / 2):
        return seen.saved
    again = _saved(session, state, seen.kept, wanted)
    if set(again.plan.changes) != set(seen.plan.changes):
        raise Refused("The account has changed since this was shown.", run=wanted.command(session.settings))
    return again


def _require_named(settings: project.Settings, wanted: Wanted, confirm: str, key: Key | None, confirm_key: str) -> None:
    """Raise Refused (3) for --json without consent on the command line: a person would be asked about what nobody shows."""
    if wanted.json and not (confirm and (confirm_key or not key)):
        raise Refused("Nothing was changed: with --json no plan is shown that could be consented to, so the names have to "
                      "be given with the command.", run=_consenting(settings, wanted, key))


def _ask(settings: project.Settings, wanted: Wanted, confirm: str, key: Key | None, confirm_key: str) -> None:
    """The environment's name, typed; with the key in question its alias, too, before anything is done."""
    where = f"workspace {settings.workspace} of account {settings.account}, {settings.region}"
    run = _consenting(settings, wanted, key)
    consent.typed(consent.names_of(settings), confirm, f"destroy {where}", run)
    if key:
        console.warn(f"{key.alias} ({key.id}) encrypts every secret under it. In {keys.DAYS} days none could be read again, "
                     "here or anywhere.")
        consent.typed((key.alias,), confirm_key, f"destroy {key.alias}", run)


def _consenting(settings: project.Settings, wanted: Wanted, key: Key | None) -> str:
    of_key = ("--confirm-key", key.alias) if key else ()
    return wanted.command(settings, "--confirm", consent.names_of(settings)[-1], *of_key)


def _save(session: Session, state: State, wanted: Wanted, passphrase: str, standing: Standing,
          serving: dict[str, str]) -> None:
    """Copies of what could be missed. It may take hours, and nobody is kept from working on the workspace meanwhile."""
    settings = session.settings
    standing.state_backup = state_history.backup(session) if state.resources else None
    if standing.state_backup:
        say(f"The state is saved in {standing.state_backup.relative_to(settings.root)}.")
    if wanted.secrets:
        terraforms = {each.attributes["name"] for each in state.of_type("aws_ssm_parameter")}
        standing.exported = exports.write(session, wanted.secrets, passphrase, terraforms)
        for file in standing.exported:
            say(f"Written and read again: {file}, encrypted.")
    for identifier in snapshot.due(session, state) if wanted.takes_snapshots(settings) else ():
        standing.snapshots.append(snapshot.take(session, state, identifier, say, serving.get(identifier)))


def _tear_down(session: Session, state: State, seen: Shown, wanted: Wanted, standing: Standing) -> None:
    """Look once more while nobody can change anything, bring to rest what runs, and apply the plan that was shown."""
    settings, terraform_ = session.settings, steps.connect_for_terraform(session)
    saved = _still(session, state, seen, wanted)
    with applying.holding(session, "destroy") as lock:
        _require_same(session, state, wanted)
        refusals.raise_all(refusals.find(session, state, wanted.allow_loss, wanted.snapshot), wanted.command(settings))
        taken = applying.take(session, saved, lock)
        standing.stopping = True
        drain.everything(session, state, say)
        try:
            run = applying.begin_teardown(terraform_, session, taken)
        finally:
            begun = runs.find(settings)
            standing.deleting = begun is not None and begun.kind == "destroy"
    applying.follow(session, run)
    left = _state(session).resources
    if left:
        raise Failed(f"{len(left)} resources are still in the state: {', '.join(each.address for each in left[:5])}"
                     f"{', …' if len(left) > 5 else ''}.")
    standing.deleted = True
    _tidy(session, earlier.whole(session, state))


def _tidy(session: Session, before: State) -> None:
    """Remove what belonged to nothing but the workspace that is gone."""
    drain.task_definitions(session, before, say)
    database_record.forget(session)
    saved_plan.discard(session.settings)
    working_root.discard(session.settings)


def _report_nothing(session: Session, json: bool) -> None:
    if json:
        return emit(session.settings, {**shown.NOTHING.as_dict(), "destroyed": False})
    show("There is nothing to destroy.")


def _report(session: Session, before: State, seen: Shown, standing: Standing, key: Key | None, json: bool) -> None:
    """What remains in the account, and about what that costs a month."""
    settings, found = session.settings, remains.find(session, before)
    if json:
        return emit(settings, {**seen.as_dict(), **standing.as_dict(), "destroyed": True, "key_scheduled": key is not None,
                               "remains": [asdict(each) for each in found], "usd_a_month": round(remains.total(found), 2)})
    console.table("", ("remains", "name", "USD a month", "what to know"),
                  [(each.kind, each.name, remains.price(each.usd), each.why) for each in found], last="what to know")
    show(f"Destroyed. What remains costs about {remains.total(found):.2f} USD a month.")
    if key:
        say(f"{key.alias} is to be deleted in {keys.DAYS} days. Until then this undoes it: {settings.command('kms.rescue')}")
    say(f"  next: {settings.command('deploy')} (takes back what was kept), or {settings.command('bootstrap.remove')}")
