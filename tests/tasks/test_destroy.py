"""The task around the teardown: what comes before the first delete, in which order, and a table that leaves out nothing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks import destroy, removal
from tasks.core import session, settings, state_history
from tasks.core.console import Failed, Interrupted, Refused
from tasks.core.plan import Change, Plan
from tasks.core.saved_plan import SavedPlan
from tasks.core.state_file import Resource, State
from tasks.core.teardown import drain, exports, kept, refusals, snapshot

PROJECT = Path(destroy.__file__).parents[1]
STATE = State(1, "x", (Resource("aws_db_instance.x", "aws_db_instance", {"identifier": "maps"}),), {})


@pytest.fixture
def done(monkeypatch, tmp_path) -> list[str]:
    """What was done, in its order; nothing really is."""
    order: list[str] = []

    def note(what: str, answer):
        return lambda *arguments, **named: order.append(what) or answer

    monkeypatch.setattr(state_history, "backup", note("state saved", None))
    monkeypatch.setattr(exports, "write", note("secrets exported", [tmp_path / "s.enc"]))
    monkeypatch.setattr(snapshot, "due", lambda session_, state: ["maps"])
    monkeypatch.setattr(snapshot, "take", note("snapshot taken", "maps-20260101t000000z"))
    monkeypatch.setattr(drain, "everything", note("services drained", None))
    return order


def wanted(**asked) -> destroy.Wanted:
    usual = {"allow_loss": (), "delete_logs": False, "snapshot": True, "secrets": None, "plan_only": False}
    return destroy.Wanted(**{**usual, **asked})


def of(root, workspace: str) -> session.Session:
    return session.Session(settings.load(workspace, root), {}, None)


def test_everything_is_safe_before_anything_stops(root, done, tmp_path):
    answer = destroy._before(of(root, "dev"), STATE, wanted(secrets=tmp_path), "passphrase")
    assert done == ["state saved", "secrets exported", "snapshot taken", "services drained"]
    assert answer == {"state_backup": None, "exported": [str(tmp_path / "s.enc")], "snapshots": ["maps-20260101t000000z"]}


@pytest.mark.parametrize(("workspace", "asked"), [("local", {}), ("dev", {"snapshot": False})])
def test_in_local_and_when_told_so_no_snapshot_is_taken(root, done, workspace, asked):
    destroy._before(of(root, workspace), STATE, wanted(**asked), "")
    assert done == ["state saved", "services drained"]


def test_a_snapshot_that_fails_leaves_the_services_running(root, done, monkeypatch):
    def fail(*arguments):
        raise Failed("no")

    monkeypatch.setattr(snapshot, "take", fail)
    with pytest.raises(Failed):
        destroy._before(of(root, "dev"), STATE, wanted(), "")
    assert done == ["state saved"]


def test_ctrl_c_before_the_first_delete_says_how_to_go_back_and_on(root, done, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(drain, "everything", interrupt)
    with pytest.raises(Interrupted, match="Nothing was deleted") as interrupted:
        destroy._before(of(root, "dev"), STATE, wanted(), "")
    assert interrupted.value.run == "invoke destroy -w dev"


def test_the_plan_is_shown_with_what_stops_it_first_and_what_keeps_data_before_the_rest(root, capsys):
    plan = Plan((Change("aws_vpc.x", "aws_vpc", "delete", False),
                 Change("aws_db_instance.x", "aws_db_instance", "delete", True),
                 Change("aws_kms_key.x", "aws_kms_key", "forget", True)))
    shown = destroy.Shown(SavedPlan(Path("x"), {}, plan), [kept.Kept("aws_kms_key.x", "aws_kms_key", "k", "is shared")],
                          [refusals.Refusal("job index", "It runs.", "Wait.")])
    destroy._show(settings.load("dev", root), shown, snapshots=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert " ".join(lines[0]) == "Workspace dev: account 111111111111, ap-southeast-2"
    assert [line[:2] for line in lines[3:7]] == [["refused", "job"], ["destroyed", "aws_db_instance.x"],
                                                 ["kept", "aws_kms_key.x"], ["destroyed", "aws_vpc.x"]]
    assert "snapshot" in lines[4] and " ".join(lines[-1]) == "2 destroyed, 1 kept."


def test_what_came_into_the_state_meanwhile_is_not_deleted_unseen(root, monkeypatch):
    made = SavedPlan(Path("x"), {}, Plan((Change("aws_db_instance.new", "aws_db_instance", "delete", True),)))
    monkeypatch.setattr(destroy.planning, "plan_teardown", lambda *arguments: made)
    monkeypatch.setattr(destroy.steps, "connect_for_terraform", lambda session_: None)
    monkeypatch.setattr(destroy.steps, "init", lambda *arguments: None)
    with pytest.raises(Refused, match="has grown"):
        destroy._saved(of(root, "dev"), STATE, [])


def test_a_plan_that_gets_too_old_meanwhile_is_made_again_and_must_be_the_same(root, monkeypatch):
    def planned(minutes: int, *changes: Change) -> SavedPlan:
        made = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        return SavedPlan(Path("x"), {"created_at": made.isoformat()}, Plan(changes))

    first = Change("aws_vpc.x", "aws_vpc", "delete", False)
    fresh, old, again = planned(1, first), planned(61, first), planned(0, first)
    monkeypatch.setattr(destroy, "_saved", lambda session_, state, staying: again)
    assert destroy._still(of(root, "dev"), STATE, destroy.Shown(fresh, [], [])) is fresh
    assert destroy._still(of(root, "dev"), STATE, destroy.Shown(old, [], [])) is again
    another = planned(61, Change("aws_vpc.y", "aws_vpc", "delete", False))
    with pytest.raises(Refused, match="has changed"):
        destroy._still(of(root, "dev"), STATE, destroy.Shown(another, [], []))


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
