"""The tasks `state.*`, on the embedded AWS; with an applied stack behind them in tests/stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from invoke import Context, Exit

from tasks import state
from tasks.core import initialise, runs, settings, state_bucket, state_lock

MAIN_TF = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


@pytest.fixture
def session(aws, root, monkeypatch):
    """A session with a state bucket; the tasks find its project."""
    (root / "main.tf").write_text(MAIN_TF)
    load = settings.load
    monkeypatch.setattr(settings, "load", lambda workspace=None, root=root: load(workspace, root))
    state_bucket.ensure(aws)
    return aws


@pytest.fixture
def put(session):
    """`put(serial, "a", "b")` writes a state of these resources; `put(None)` deletes it. Answers the version's id."""
    where = {"Bucket": session.settings.state_bucket, "Key": initialise.state_object(session.settings)}

    def write(serial: int | None, *names: str) -> str:
        if serial is None:
            return session.client("s3").delete_object(**where)["VersionId"]
        made = [{"mode": "managed", "type": "terraform_data", "name": name, "instances": [{"attributes": {}}]}
                for name in names]
        content = {"version": 4, "serial": serial, "lineage": "one", "outputs": {}, "resources": made}
        return session.client("s3").put_object(**where, Body=json.dumps(content).encode())["VersionId"]

    return write


@pytest.fixture
def lock(session):
    """`lock(bytes)`: as somebody's Terraform has left it."""
    return lambda content: session.client("s3").put_object(
        Bucket=session.settings.state_bucket, Key=state_lock.key(session), Body=content)


@pytest.fixture
def call(capsys):
    """`call(state.history, json=True)`: exit code, stdout, stderr."""

    def called(task, **flags):
        try:
            task(Context(), **flags)
            code = 0
        except Exit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return called


def held(**more: str) -> bytes:
    return json.dumps({"ID": "0", "Operation": "OperationTypeApply", "Who": "ann@host", **more}).encode()


def test_the_history_is_a_table_and_an_object(put, call):
    assert "has never had a state" in call(state.history)[1]
    ids = [put(1), put(2, "a", "b")]
    code, out, _ = call(state.history)
    [current] = [line for line in out.splitlines() if "current" in line]
    assert code == 0 and current.split()[2:] == ["2", "2", current.split()[4], ids[1], "current"]
    newest = json.loads(call(state.history, json=True, count="1")[1])["versions"]
    assert [(one["id"], one["serial"], one["resources"], one["current"]) for one in newest] == [(ids[1], 2, 2, True)]
    for wrong in ("0", "-1", "all", ""):
        assert call(state.history, count=wrong)[0] == 4


def test_a_deleted_state_is_told_of(put, call):
    put(1, "a")
    put(None)
    code, out, err = call(state.history)
    assert code == 0 and "deleted here" in out and "current" not in out
    assert f"The state was deleted on {datetime.now(timezone.utc):%Y-%m-%d}" in err and "invoke state.restore" in err


def test_a_backup_answers_with_its_file(put, call, root):
    assert "has no state" in call(state.backup)[1]
    put(3, "a")
    file = root / call(state.backup)[1].strip()
    assert json.loads(file.read_bytes())["serial"] == 3


def test_a_restore_shows_the_way_and_wants_the_name(put, call, session):
    old = put(1, "a", "c")
    put(5, "a", "b")
    code, out, err = call(state.restore, version=old)
    assert code == 3 and "The state now: serial 5, 2 resources." in err and f"Version {old}: serial 1, 2 resources." in err
    shown = [line.split() for line in out.splitlines() if "terraform_data" in line]
    assert shown == [["managed", "again", "terraform_data.c"], ["no", "longer", "known", "terraform_data.b"]]
    assert "a deploy would make it a second time" in err and f"invoke state.restore --version {old} --confirm local" in err
    code, out, err = call(state.restore, version=old, confirm="local")
    assert code == 0 and "as serial 6" in out and ".local/states/local/" in err and "invoke plan" in err


def test_a_restore_makes_the_saved_plan_void(put, call, session):
    plan = session.settings.private_dir("plans") / "local.tfplan"
    plan.write_bytes(b"made from the state of now")
    old = put(1, "a")
    put(2)
    assert call(state.restore, version=old, confirm="local")[0] == 0 and not plan.exists()


@pytest.mark.parametrize("flags", [{}, {"version": "x", "file": "y"}])
def test_a_restore_wants_one_source(session, call, flags):
    code, _, err = call(state.restore, **flags)
    assert code == 4 and "either --version ID or --file PATH" in err


def test_a_restore_waits_for_whoever_holds_the_lock(put, call, lock):
    old = put(1, "a")
    lock(held())
    code, _, err = call(state.restore, version=old, confirm="local")
    assert code == 3 and "ann@host" in err and "invoke state.unlock" in err


def test_who_holds_the_lock_is_told_in_words(session, call, lock):
    then = datetime.now(timezone.utc) - timedelta(minutes=95)
    lock(held(Created=f"{then:%Y-%m-%dT%H:%M:%S}.123456789Z"))  # as Terraform writes it
    code, _, err = call(state.unlock)
    assert code == 3 and f"Held by ann@host since {then:%Y-%m-%d %H:%M:%S} UTC (1 hour ago), for apply (ID 0)." in err
    assert "lets two runs write one state" in err and "invoke state.unlock --confirm local" in err
    assert state_lock.holder(session).who == "ann@host"


def test_the_lock_is_released_after_the_name(session, call, lock):
    lock(held(Created="2020-01-02T03:04:05Z"))
    assert call(state.unlock, confirm="datacube")[0] == 3
    code, out, err = call(state.unlock, confirm="local")
    assert code == 0 and out == "The lock is released.\n" and " days ago)" in err
    assert state_lock.holder(session) is None
    assert call(state.unlock)[1] == "Nobody holds the state's lock.\n"


@pytest.mark.parametrize("content", [b"", b"{", held(Created="some day")])
def test_a_lock_that_nobody_can_read_can_be_released(session, call, lock, content):
    lock(content)
    assert call(state.unlock)[0] == 3
    assert call(state.unlock, confirm="local")[0] == 0 and state_lock.holder(session) is None


def test_a_lock_of_somebody_else_who_came_in_between_stays(session, call, lock, monkeypatch):
    lock(held())
    monkeypatch.setattr(state.consent, "typed", lambda *_: lock(held(ID="1")))
    code, _, err = call(state.unlock, confirm="local")
    assert code == 3 and "no longer the one that was shown" in err and state_lock.holder(session).id == "1"


def test_the_lock_of_a_run_that_goes_on_here_is_never_released(session, call, lock):
    lock(held())
    run = runs.start(session.settings, "apply", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ))
    try:
        code, _, err = call(state.unlock, confirm="local")
        assert code == 3 and f"process {run.pid}" in err and state_lock.holder(session)
    finally:
        run.stop()
        subprocess.run(["kill", str(run.pid)], capture_output=True)


@pytest.mark.parametrize(("seconds", "said"), [
    (5, "less than a minute"), (60, "1 minute"), (7000, "1 hour"), (7200, "2 hours"), (90000, "1 day"), (900000, "10 days"),
])  # fmt: skip
def test_a_span_in_words(seconds, said):
    assert state._in_words(timedelta(seconds=seconds)) == said
