"""The whole way back in one command: from a running workspace to what is kept of it, and what that costs."""

from __future__ import annotations

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
from .core.console import BadInput, Failed, Interrupted, Refused, say, show
from .core.keys import Key
from .core.plan import Plan
from .core.saved_plan import SavedPlan
from .core.session import Session, connect
from .core.state_file import State
from .core.teardown import drain, exports, kept, refusals, remains, snapshot
from .core.teardown import key as keys
from .core.teardown.kept import Kept
from .core.teardown.refusals import Refusal
from .frame import ENDPOINT, JSON, emit, task

TEARDOWN = "teardown"  # the kind of a saved plan

FLAGS = {
    "workspace": "the workspace, a file workspaces/NAME.tfvars; it must be named",
    "confirm": "the name <project>-<workspace>, instead of typing it (in local, `local` will do)",
    "plan_only": "show what would be lost, kept and refused, and change nothing",
    "allow_loss": "address of something whose data may be lost (repeatable); lifts no deletion protection",
    "delete_logs": "delete the log groups, too, as far as nobody else's state holds them",
    "snapshot": "take a snapshot of the database first, outside local; --no-snapshot wants --allow-loss with its address",
    "export_secrets": "a folder that first gets an encrypted file of each chamber service of this workspace",
    "destroy_key": "schedule the shared KMS key for deletion, if nobody else's secrets need it; asks a second time",
    "confirm_key": "the key's alias, instead of typing it",
    **JSON, **ENDPOINT,
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What was asked for, beside the workspace."""

    allow_loss: tuple[str, ...]
    delete_logs: bool
    snapshot: bool
    secrets: Path | None
    plan_only: bool

    def takes_snapshots(self, settings: project.Settings) -> bool:
        return self.snapshot and not settings.is_local


@dataclass(frozen=True)
class Shown:
    """What a person sees before consenting; ``saved`` is None when the state holds nothing any more."""

    saved: SavedPlan | None
    kept: list[Kept]
    refused: list[Refusal]

    @property
    def plan(self) -> Plan:
        return self.saved.plan if self.saved else Plan()

    def as_dict(self) -> dict:
        return {"plan_file": str(self.saved.file) if self.saved else None, **self.plan.as_dict(),
                "kept": [asdict(each) for each in self.kept], "refused": [asdict(each) for each in self.refused]}


@task(help=FLAGS, iterable=["allow_loss"])
def destroy(context, workspace=None, json=False, confirm="", plan_only=False, allow_loss=None, delete_logs=False,
            snapshot=True, export_secrets="", destroy_key=False, confirm_key="", endpoint_from_env=False):
    """Take a workspace down, all but the shared key and the logs: shows it all, asks, and refuses what would lose data."""
    if workspace is None:
        raise BadInput(f"destroy has no default workspace: name one with -w (known: {', '.join(project.workspaces())}).")
    settings = project.load(workspace)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    folder = Path(export_secrets) if export_secrets else None
    wanted = Wanted(tuple(allow_loss or ()), delete_logs, snapshot, folder, plan_only)
    _follow_earlier(session)
    _require_workable(session)
    state = _state(session)
    key = keys.find(session) if destroy_key else None
    if not state.resources and key is None:
        return _report_nothing(session, json)

    shown = _plan(session, state, wanted, key)
    if not json:
        _show(settings, shown, wanted.takes_snapshots(settings))
    if plan_only:
        return emit(settings, shown.as_dict()) if json else None
    passphrase = secret_input.passphrase(twice=True) if wanted.secrets else ""
    _ask(settings, confirm, key, confirm_key)
    done = _before(session, state, wanted, passphrase)
    if shown.saved:
        applying.apply_teardown(steps.connect_for_terraform(session), session, _still(session, state, shown))
        _look_again(session)
    if key:
        keys.schedule_deletion(session, key)
    _report(session, state, shown, done, key, json)


def _follow_earlier(session: Session) -> None:
    """Follow a teardown that goes on though its task was killed; an apply of the stack is a reason to refuse."""
    run, earlier = runs.find(session.settings), saved_plan.taken(session.settings)
    if run and run.running and earlier and earlier.kind == TEARDOWN:
        applying.report_earlier(session)


def _require_workable(session: Session) -> None:
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
    refusals.raise_all(found, teardown.command(session.settings))


def _state(session: Session) -> State:
    return state_file.load(session) if state_bucket.exists(session) else state_file.EMPTY


def _plan(session: Session, state: State, wanted: Wanted, key: Key | None) -> Shown:
    """What would be lost, kept and refused. Raises Refused (3) with every reason, unless only the plan is asked for."""
    refused = refusals.find(session, state, wanted.allow_loss, wanted.snapshot)
    if key:
        refused += keys.refusals(session, key, wanted.secrets is not None)
    if not wanted.plan_only:
        refusals.raise_all(refused, teardown.command(session.settings))
    if not state.resources:
        return Shown(None, [], refused)
    staying = kept.choose(session, state, wanted.delete_logs)
    return Shown(_saved(session, state, staying), staying, refused)


def _saved(session: Session, state: State, staying: list[Kept]) -> SavedPlan:
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    saved = planning.plan_teardown(terraform_, session, kept.configured(staying, state))
    kept.require_as_chosen(saved.plan, staying)
    if {change.address for change in saved.plan.changes} - state.addresses:  # nobody has looked whether that may go
        raise Refused("The state has grown while it was looked at. Nothing was changed.",
                      run=teardown.command(session.settings))
    return saved


def _still(session: Session, state: State, shown: Shown) -> SavedPlan:
    """The plan that was shown; made again when the snapshot took so long that it is getting too old to be applied.

    Raises Refused (3) when it would not do the same any more.
    """
    if shown.saved.age < timedelta(minutes=session.settings.project.plan_max_age_minutes / 2):
        return shown.saved
    again = _saved(session, state, shown.kept)
    if set(again.plan.changes) != set(shown.plan.changes):
        raise Refused("The account has changed since this was shown. Nothing was deleted.",
                      run=teardown.command(session.settings))
    return again


def _show(settings: project.Settings, shown: Shown, snapshots: bool) -> None:
    """The plan as a table: what stops it, then what keeps data and is lost, what is kept, and all the rest."""
    show(f"Workspace {settings.workspace}: account {settings.account}, {settings.region}", "bold")
    why = {each.address: f"{each.name}: {each.why}" for each in shown.kept}
    rows = [("refused", each.what, f"{each.reason} {each.lift}", "bold red") for each in shown.refused]
    for change in shown.plan.most_careful_first():
        if change.address in why:
            rows.append(("kept", change.address, why[change.address], "cyan"))
        elif change.loses_data:
            saved = "; a snapshot is taken first" if snapshots and change.type == "aws_db_instance" else ""
            rows.append(("destroyed", change.address, f"KEEPS DATA{saved}", "bold red"))
        else:
            rows.append(("destroyed", change.address, "", "red"))
    rows.sort(key=lambda row: ["bold red", "cyan", "red"].index(row[3]))
    if rows:
        console.table("", ("will be", "resource", "why"), [row[:3] for row in rows], [row[3] for row in rows], last="why")
    show(f"{shown.plan.summary['delete']} destroyed, {shown.plan.summary['forget']} kept.")


def _ask(settings: project.Settings, confirm: str, key: Key | None, confirm_key: str) -> None:
    """The environment's name, typed; with the key in question its alias, too, before anything is done."""
    where = f"workspace {settings.workspace} of account {settings.account}, {settings.region}"
    names = consent.names_of(settings)
    consent.typed(names, confirm, f"destroy {where}", teardown.command(settings, "--confirm", names[-1]))
    if key:
        console.warn(f"{key.alias} ({key.id}) encrypts every secret under it. In {keys.DAYS} days none could be read again, "
                     "here or anywhere.")
        consent.typed((key.alias,), confirm_key, f"destroy {key.alias}",
                      teardown.command(settings, "--confirm", names[-1], "--destroy-key", "--confirm-key", key.alias))


def _before(session: Session, state: State, wanted: Wanted, passphrase: str) -> dict:
    """What must be done before the first delete; answers what was made, as the JSON has it."""
    settings = session.settings
    try:
        saved = state_history.backup(session) if state.resources else None
        if saved:
            say(f"The state is saved in {saved.relative_to(settings.root)}.")
        terraforms = {each.attributes["name"] for each in state.of_type("aws_ssm_parameter")}
        files = exports.write(session, wanted.secrets, passphrase, terraforms) if wanted.secrets else []
        for file in files:
            say(f"Written and read again: {file}, encrypted.")
        due = snapshot.due(session, state) if wanted.takes_snapshots(settings) else []
        taken = [snapshot.take(session, identifier, say) for identifier in due]
        drain.everything(session, state, say)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. Nothing was deleted; services may be at no task already, and a deploy brings them "
                          "back.", run=teardown.command(settings)) from None
    return {"state_backup": saved and str(saved), "exported": [str(file) for file in files], "snapshots": taken}


def _look_again(session: Session) -> None:
    """Raise Failed while the state still holds something; else remove what belonged to it alone."""
    left = _state(session).resources
    if left:
        raise Failed(f"{len(left)} resources are still in the state: {', '.join(each.address for each in left[:5])}"
                     f"{', …' if len(left) > 5 else ''}.", run=teardown.command(session.settings))
    database_record.forget(session)
    saved_plan.discard(session.settings)
    working_root.discard(session.settings)


def _report_nothing(session: Session, json: bool) -> None:
    if json:
        return emit(session.settings, {**Shown(None, [], []).as_dict(), "destroyed": False})
    show("There is nothing to destroy.")


def _report(session: Session, state: State, shown: Shown, done: dict, key: Key | None, json: bool) -> None:
    """What remains in the account, and about what that costs a month."""
    settings, found = session.settings, remains.find(session, state)
    if json:
        return emit(settings, {**shown.as_dict(), **done, "destroyed": True, "key_scheduled": key is not None,
                               "remains": [asdict(each) for each in found], "usd_a_month": round(remains.total(found), 2)})
    console.table("", ("remains", "name", "USD a month", "what to know"),
                  [(each.kind, each.name, remains.price(each.usd), each.why) for each in found], last="what to know")
    show(f"Destroyed. What remains costs about {remains.total(found):.2f} USD a month.")
    if key:
        say(f"{key.alias} is to be deleted in {keys.DAYS} days. Until then this undoes it: {settings.command('kms.rescue')}")
    say(f"  next: {settings.command('deploy')} (takes back what was kept), or {settings.command('bootstrap.remove')}")
