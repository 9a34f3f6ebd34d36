"""The task around the teardown: what comes before the first delete, in which order, and a table that leaves out nothing."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from invoke import Exit

from canned_aws import CannedAws, refusal
from tasks import applying, destroy, frame, removal
from tasks.core import policy, session, settings, state_history
from tasks.core.console import Failed, Interrupted, Refused, Terminated
from tasks.core.keys import Key, KeyState
from tasks.core.plan import Change, Plan
from tasks.core.saved_plan import SavedPlan
from tasks.core.state_file import Resource, State
from tasks.core.teardown import drain, earlier, exports, kept, refusals, shown, snapshot
from tasks.core.teardown.standing import Standing, told

PROJECT = Path(destroy.__file__).parents[1]
STATE = State(1, "x", (Resource("aws_db_instance.x", "aws_db_instance", {"identifier": "maps"}),), {})
SNAPSHOT = "maps-20260101t000000z"


@dataclass
class Run:
    kind: str = "destroy"


@pytest.fixture
def done(monkeypatch, tmp_path, root) -> list[str]:
    """What was done, in its order; nothing really is."""
    order: list[str] = []

    def note(what: str, answer=None):
        return lambda *arguments, **named: order.append(what) or answer

    @contextmanager
    def holding(session_, operation):
        order.append("locked")
        yield "lock"
        order.append("free")

    states = iter([STATE, State(2, "x", (), {})])
    monkeypatch.setattr(state_history, "backup", note("state saved", root / "s.tfstate"))
    monkeypatch.setattr(exports, "write", note("secrets exported", [tmp_path / "s.enc"]))
    monkeypatch.setattr(snapshot, "due", lambda session_, state: ["maps"])
    monkeypatch.setattr(snapshot, "take", note("snapshot taken", SNAPSHOT))
    monkeypatch.setattr(destroy.steps, "connect_for_terraform", lambda session_: None)
    monkeypatch.setattr(destroy, "_still", note("plan looked at", seen().saved))
    monkeypatch.setattr(destroy, "_state", lambda session_: next(states))
    monkeypatch.setattr(applying, "holding", holding)
    monkeypatch.setattr(refusals, "find", note("refusals looked for", []))
    monkeypatch.setattr(applying, "take", note("plan taken", seen().saved))
    monkeypatch.setattr(drain, "everything", note("services drained"))
    monkeypatch.setattr(applying, "begin_teardown", note("teardown begun", Run()))
    monkeypatch.setattr(destroy.runs, "find", lambda settings_: Run("destroy" if "teardown begun" in order else "plan"))
    monkeypatch.setattr(applying, "follow", note("teardown followed"))
    monkeypatch.setattr(drain, "task_definitions", note("revisions deregistered"))
    monkeypatch.setattr(destroy.database_record, "forget", note("record forgotten"))
    return order


def of(root, workspace: str) -> session.Session:
    return session.Session(settings.load(workspace, root), {}, None)


def seen(*changes: Change, minutes: int = 0) -> shown.Shown:
    made = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    return shown.Shown(SavedPlan(Path("x"), {"created_at": made.isoformat()}, Plan(changes)), [], [], {})


def tear_down(root, standing: Standing) -> None:
    """As the task does it after consent."""
    here, wanted = of(root, "dev"), destroy.Wanted(delete_logs=True)
    with told(here.settings, standing, wanted.command(here.settings)):
        destroy._save(here, STATE, wanted, "", standing, {})
        destroy._tear_down(here, STATE, seen(), wanted, standing)


def test_everything_is_safe_before_anything_stops(root, done, tmp_path):
    standing = Standing()
    destroy._save(of(root, "dev"), STATE, destroy.Wanted(secrets=tmp_path), "passphrase", standing, {})
    assert done == ["state saved", "secrets exported", "snapshot taken"]
    assert standing.as_dict() == {"state_backup": str(root / "s.tfstate"), "exported": [str(tmp_path / "s.enc")],
                                  "snapshots": [SNAPSHOT]}


def test_nothing_stops_before_the_lock_is_held_and_all_was_looked_at_again(root, done):
    standing = Standing()
    tear_down(root, standing)
    assert done == ["state saved", "snapshot taken", "plan looked at", "locked", "refusals looked for", "plan taken",
                    "services drained", "teardown begun", "free", "teardown followed", "revisions deregistered",
                    "record forgotten"]
    assert standing.deleted


@pytest.mark.parametrize(("workspace", "asked"), [("local", {}), ("dev", {"snapshot": False})])
def test_in_local_and_when_told_so_no_snapshot_is_taken(root, done, workspace, asked):
    destroy._save(of(root, workspace), STATE, destroy.Wanted(**asked), "", Standing(), {})
    assert done == ["state saved"]


@pytest.mark.parametrize("now", [State(2, "x", STATE.resources, {}), State(1, "y", STATE.resources, {})])
def test_what_a_colleague_applied_during_the_snapshot_is_not_deleted_unseen(root, done, monkeypatch, now):
    monkeypatch.setattr(destroy, "_state", lambda session_: now)
    with pytest.raises(Refused, match="Somebody has changed") as refused:
        tear_down(root, Standing())
    assert done[-1] == "locked" and "services drained" not in done
    assert f"Nothing was deleted. Made before, and kept: the snapshot {SNAPSHOT}" in refused.value.message
    assert refused.value.run == "invoke destroy -w dev --delete-logs"


def test_a_job_that_began_during_the_snapshot_stops_it(root, done, monkeypatch):
    monkeypatch.setattr(refusals, "find", lambda *arguments: [refusals.Refusal("job index", "It runs.", "Wait.")])
    with pytest.raises(Refused, match="(?s)job index: It runs.*Nothing was deleted. Made before.*maps-2026"):
        tear_down(root, Standing())
    assert "services drained" not in done


AT = pytest.mark.parametrize(("place", "name", "stands", "lacks"), [
    (snapshot, "take", "Nothing was deleted. Made before", "no task"),
    (drain, "everything", "Services may be at no task", "has begun"),
    (applying, "follow", "Deleting has begun", "Nothing was deleted"),
    (drain, "task_definitions", "The workspace is destroyed", "has begun"),
])


@AT
@pytest.mark.parametrize(("stop", "becomes"), [
    (KeyboardInterrupt(), Interrupted),
    (frame._Sigterm(), Terminated),
    (Failed("no"), Failed),
    (refusal("Throttling", "UpdateService"), Failed),
], ids=["ctrl-c", "kill -TERM", "a failure", "an error of AWS"])
def test_whatever_stops_it_says_where_things_stand_and_what_goes_on(root, done, monkeypatch, place, name, stands, lacks,
                                                                    stop, becomes):
    def raise_it(*arguments):
        raise stop

    monkeypatch.setattr(place, name, raise_it)
    with pytest.raises(becomes) as stopped:
        tear_down(root, Standing())
    assert stands in stopped.value.message and lacks not in stopped.value.message and "s.tfstate" in stopped.value.message
    assert (SNAPSHOT in stopped.value.message) is (name != "take")
    assert stopped.value.run == "invoke destroy -w dev --delete-logs"


def test_what_has_to_be_run_first_comes_first_and_then_destroy(root, done, monkeypatch):
    def fail(*arguments):
        raise Failed("It waits on this disk.", run="invoke recover -w dev")

    monkeypatch.setattr(applying, "follow", fail)
    with pytest.raises(Failed, match="goes on with: invoke destroy -w dev --delete-logs") as failed:
        tear_down(root, Standing())
    assert failed.value.run == "invoke recover -w dev"


def test_the_command_that_goes_on_has_all_that_was_asked_for_and_no_consent(root):
    dev = settings.load("dev", root)
    asked = destroy.Wanted(('module.a["b c"].x', "y"), True, False, Path("my safe"), True, True, True, True, False)
    assert asked.command(dev) == (
        "invoke destroy -w dev --allow-loss 'module.a[\"b c\"].x' --allow-loss y --export-secrets 'my safe' --delete-logs "
        "--no-snapshot --destroy-key --json --endpoint-from-env --no-permission-check")
    assert destroy.Wanted().command(dev) == "invoke destroy -w dev"


def test_with_json_consent_is_given_with_the_command(root, slug):
    """The plan is not shown: whoever typed at a terminal would consent to what they cannot see."""
    dev = settings.load("dev", root)
    key = Key("alias/k", "1", "arn:1", KeyState.Enabled)
    with pytest.raises(Refused) as refused:
        destroy._require_named(dev, destroy.Wanted(json=True), "", None, "")
    assert refused.value.run == f"invoke destroy -w dev --json --confirm {slug}-dev"
    with pytest.raises(Refused) as refused:
        destroy._require_named(dev, destroy.Wanted(json=True, destroy_key=True), "x", key, "")
    assert refused.value.run == f"invoke destroy -w dev --destroy-key --json --confirm {slug}-dev --confirm-key alias/k"
    destroy._require_named(dev, destroy.Wanted(json=True), f"{slug}-dev", None, "")
    destroy._require_named(dev, destroy.Wanted(), "", key, "")


def test_the_plan_is_shown_with_what_stops_it_first_and_what_keeps_data_before_the_rest(root, capsys):
    plan = Plan((Change("aws_vpc.x", "aws_vpc", "delete", False),
                 Change("aws_db_instance.x", "aws_db_instance", "delete", True),
                 Change("aws_kms_key.x", "aws_kms_key", "forget", True)))
    told_ = shown.Shown(SavedPlan(Path("x"), {}, plan), [kept.Kept("aws_kms_key.x", "aws_kms_key", "k", "is shared")],
                        [refusals.Refusal("job index", "It runs.", "Wait.")], {"aws_db_instance.x": "a snapshot first"})
    shown.table(settings.load("dev", root), told_)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert " ".join(lines[0]) == "Workspace dev: account 111111111111, ap-southeast-2"
    assert [line[:2] for line in lines[3:7]] == [["refused", "job"], ["destroyed", "aws_db_instance.x"],
                                                 ["kept", "aws_kms_key.x"], ["destroyed", "aws_vpc.x"]]
    assert "snapshot" in lines[4] and " ".join(lines[-1]) == "2 destroyed, 1 kept."


def test_what_keeps_data_says_which_copies_go_with_it_and_which_stay(local):
    made = datetime(2026, 2, 3, 4, 5, tzinfo=timezone.utc)
    state = State(1, "x", (
        Resource("d", "aws_db_instance", {"identifier": "maps", "backup_retention_period": 7,
                                          "delete_automated_backups": True}),
        Resource("kept", "aws_db_instance", {"backup_retention_period": 7, "delete_automated_backups": False}),
        Resource("f", "aws_efs_file_system", {"arn": "arn:f"})), {})
    points = CannedAws(local, list_recovery_points_by_resource={"RecoveryPoints": [
        {"Status": "COMPLETED", "CreationDate": made}]})
    found = shown.notes(points, state, True, {})
    assert found["d"] == ("its automated backups (any moment of the last 7 days) go with it; a snapshot is taken first, and "
                          "stays")
    assert found["kept"] == "a snapshot is taken first, and stays" and "2026-02-03 04:05 UTC" in found["f"]
    assert shown.notes(points, state, True, {"maps": "maps-20260203t030405z"})["d"].endswith(
        "go with it; a snapshot of 03:04 UTC is there, is taken as the last one, and stays")
    denied = CannedAws(local, list_recovery_points_by_resource=refusal("AccessDenied"))
    assert "not known" in shown.notes(denied, state, False, {})["f"]


@pytest.mark.parametrize(("workspace", "asked", "serving"), [
    ("dev", {}, {"maps": SNAPSHOT}), ("dev", {"json": True}, {}), ("dev", {"snapshot": False}, {}), ("local", {}, {})])
def test_an_earlier_snapshot_serves_only_where_it_is_shown(root, monkeypatch, workspace, asked, serving):
    monkeypatch.setattr(snapshot, "earlier", lambda session_, state: {"maps": SNAPSHOT})
    assert destroy._serving(of(root, workspace), STATE, destroy.Wanted(**asked)) == serving


def test_what_was_shown_is_the_snapshot_that_serves(root, done, monkeypatch):
    given = []
    monkeypatch.setattr(snapshot, "take", lambda session_, state, *more: given.append((state, *more)) or SNAPSHOT)
    destroy._save(of(root, "dev"), STATE, destroy.Wanted(), "", Standing(), {"maps": SNAPSHOT})
    assert given == [(STATE, "maps", destroy.say, SNAPSHOT)]


def test_what_iam_would_refuse_stops_it_before_anything_with_all_else_that_does(root, done, monkeypatch):
    asked = []
    monkeypatch.setattr(policy, "missing", lambda session_, role: asked.append(role) or ["rds:DeleteDBInstance", "x:Y"])
    monkeypatch.setattr(refusals, "find", lambda *arguments: [refusals.Refusal("job index", "It runs.", "Wait.")])
    dev = of(root, "dev")
    with pytest.raises(Refused, match="(?s)2 things stop it.*job index.*may not do rds:DeleteDBInstance, x:Y.*"
                                      "invoke doctor -w dev --policy destroy.*--no-permission-check"):
        destroy._plan(dev, STATE, destroy.Wanted(), None)
    with pytest.raises(Refused, match="One thing stops it"):
        destroy._plan(dev, STATE, destroy.Wanted(permission_check=False), None)
    assert asked == ["destroy"]


def test_where_iam_does_not_say_a_destroy_goes_on(root, monkeypatch):
    for answer in (None, []):
        monkeypatch.setattr(policy, "missing", lambda session_, role, answer=answer: answer)
        assert refusals.permissions(of(root, "dev")) == []


def test_what_iam_would_refuse_stops_a_removal_before_its_question(root, monkeypatch, capsys):
    dev, removed = of(root, "dev"), []
    monkeypatch.setattr(removal.project, "load", lambda workspace: dev.settings)
    monkeypatch.setattr(removal, "connect", lambda settings_, endpoint: dev)
    monkeypatch.setattr(session.Session, "require_account", lambda self: None)
    monkeypatch.setattr(removal.bootstrapped, "look", lambda session_: removal.Contents(3))
    monkeypatch.setattr(removal.bootstrapped, "still_used", lambda *arguments, **named: {})
    monkeypatch.setattr(removal.bootstrapped, "remove", lambda session_: removed.append("all") or [])
    monkeypatch.setattr(removal.keys, "find", lambda session_: None)
    monkeypatch.setattr("tasks.core.policy.simulation.missing", lambda session_, role: [f"of {role}"])
    consent = {"workspace": "dev", "confirm": f"{dev.settings.project.slug}-111111111111"}
    with pytest.raises(Exit):
        removal.remove.body(None, **consent)
    said = capsys.readouterr().err
    assert "may not do of remove" in said and "invoke doctor -w dev --policy remove" in said and not removed
    removal.remove.body(None, **consent, permission_check=False)
    assert removed == ["all"]


def test_what_came_into_the_state_while_it_was_planned_is_not_deleted_unseen(root, monkeypatch):
    monkeypatch.setattr(destroy.planning, "plan_teardown", lambda *arguments: seen().saved)
    monkeypatch.setattr(destroy.steps, "connect_for_terraform", lambda session_: None)
    monkeypatch.setattr(destroy.steps, "init", lambda *arguments: None)
    monkeypatch.setattr(destroy, "_state", lambda session_: State(2, "x", (), {}))
    with pytest.raises(Refused, match="serial 1 and is 2"):
        destroy._saved(of(root, "dev"), STATE, [], destroy.Wanted())


def test_a_plan_that_gets_too_old_meanwhile_is_made_again_and_must_be_the_same(root, monkeypatch):
    first = Change("aws_vpc.x", "aws_vpc", "delete", False)
    fresh, old, again = seen(first, minutes=1), seen(first, minutes=61), seen(first)
    monkeypatch.setattr(destroy, "_saved", lambda *arguments: again.saved)

    def still(shown_: shown.Shown) -> SavedPlan:
        return destroy._still(of(root, "dev"), STATE, shown_, destroy.Wanted())

    assert still(fresh) is fresh.saved and still(old) is again.saved
    with pytest.raises(Refused, match="has changed"):
        still(seen(Change("aws_vpc.y", "aws_vpc", "delete", False), minutes=61))


def test_a_destroy_that_was_followed_to_its_end_is_tidied_up_and_reported(root, done, monkeypatch, capsys):
    """Its task was killed: nobody has said yet what remains."""
    dev, empty = of(root, "dev"), State(9, "x", (), {})
    monkeypatch.setattr(destroy.project, "load", lambda workspace: dev.settings)
    monkeypatch.setattr(destroy, "connect", lambda settings_, endpoint: dev)
    monkeypatch.setattr(session.Session, "require_account", lambda self: None)
    monkeypatch.setattr(applying, "follow_destroy", lambda session_: True)
    monkeypatch.setattr(destroy, "_require_workable", lambda *arguments: None)
    monkeypatch.setattr(destroy, "_state", lambda session_: empty)
    monkeypatch.setattr(destroy.remains, "find", lambda session_, before: [])
    destroy.destroy.body(None, workspace="dev", json=True)
    assert done == ["revisions deregistered", "record forgotten"]
    assert json.loads(capsys.readouterr().out)["destroyed"] is True


def test_what_earlier_tries_deleted_is_known_by_their_copies_of_the_state(local):
    """What AWS keeps of it is looked for by that: snapshots, revisions, logs."""
    def put(name: str, lineage: str, *resources: str) -> None:
        (local.private_dir("states", "local") / name).write_text(json.dumps({
            "version": 4, "serial": 1, "lineage": lineage, "resources": [
                {"mode": "managed", "type": "terraform_data", "name": each, "instances": [{"attributes": {"of": name}}]}
                for each in resources]}))

    put("20260101T000000Z-serial1.tfstate", "x", "old", "both")
    put("20260102T000000Z-serial2.tfstate", "x", "both", "left")
    put("20260103T000000Z-serial3.tfstate", "another", "theirs")
    (local.private_dir("states", "local") / "broken.tfstate").write_text("{")
    left = Resource("terraform_data.left", "terraform_data", {})
    found = {each.address: each for each in earlier.whole(session.Session(local, {}, None),
                                                          State(3, "x", (left,), {})).resources}
    assert set(found) == {"terraform_data.left", "terraform_data.both", "terraform_data.old"}
    assert found["terraform_data.left"] is left
    assert found["terraform_data.both"].attributes["of"].startswith("20260102")


def test_bucket_and_repository_want_project_and_account_typed(root, slug):
    """They serve every workspace: one workspace's name is not enough."""
    dev = settings.load("dev", root)
    for typed in ("", "local", dev.id):
        with pytest.raises(Refused) as refused:
            removal._ask(dev, typed)
        assert refused.value.run == f"invoke bootstrap.remove -w dev --confirm {slug}-111111111111"
    removal._ask(dev, f"{slug}-111111111111")
    removal._ask(settings.load("local", root), "local")


def test_the_table_of_the_readme_says_of_every_type_what_becomes_of_it():
    readme = (PROJECT / "README.rst").read_text()
    chapter = readme[readme.index("Destroying Infrastructure\n---"):readme.index("Using Chamber\n---")]
    told = set(re.findall(r"``((?:aws_|terraform_)\w+)``", chapter))
    used = {type for file in PROJECT.rglob("*.tf") for type in re.findall(r'(?m)^resource "(\w+)"', file.read_text())}
    assert used <= told, used - told
    assert {*kept.KEY, kept.LOG_GROUP, *refusals.CHECKS} <= told
