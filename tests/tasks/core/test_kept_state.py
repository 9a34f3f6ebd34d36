"""The state on this disk: from the bucket, back into it when a run has left it, and never lost between the two."""

from __future__ import annotations

import json
import os
import stat
import sys

import pytest

from small_state import state
from tasks.core import kept_state, runs, state_keeper, state_lock
from tasks.core.console import Failed, Refused


def test_what_the_bucket_has_comes_to_this_disk_for_its_owner_only(aws, bucket, file):
    bucket.put(state(3))
    kept_state.fetch(aws)
    assert file.read_bytes() == state(3) and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_state.left(aws.settings) is None
    kept_state.discard(aws.settings)
    assert not file.exists()


def test_what_a_colleague_wrote_meanwhile_is_not_written_over_by_what_waits_here(aws, bucket, file, keeper, monkeypatch):
    """The lid was closed in the middle of an apply, the colleague released the lock and deployed: his serial is lower."""
    monkeypatch.setattr(state_keeper, "PATIENCE", 0)
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    file.write_bytes(state(15, resources=2))
    state_lock.release(aws, state_lock.holder(aws).id)
    bucket.put(state(7, resources=1))
    with pytest.raises(Refused, match="by somebody else since"):
        kept_state.push_left(aws, file)
    assert bucket.content == state(7, resources=1) and file.read_bytes() == state(15, resources=2)
    assert state_lock.holder(aws) is None


def test_a_state_whose_like_is_gone_from_the_bucket_is_brought_there(aws, bucket, file):
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    file.write_bytes(state(4, resources=2))
    bucket.s3.delete_object(Bucket=bucket.name, Key=bucket.key)
    assert kept_state.push_left(aws, file).serial == 4 and bucket.content == state(4, resources=2)


def test_nothing_is_pushed_or_given_back_while_a_run_goes_on(aws, bucket, file):
    """`state.push-errored` in the middle of an apply would take the file away from under Terraform."""
    lock = kept_state.lock(aws, "apply")
    kept_state.fetch(aws, lock)
    run = runs.start(aws.settings, "apply", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ))
    file.write_bytes(state(1, resources=2))
    try:
        with pytest.raises(Refused, match="Another run"):
            kept_state.push_left(aws, file)
        file.unlink()
        kept_state.release_ours(aws)
        assert state_lock.holder(aws).id == lock
    finally:
        os.kill(run.supervisor, 9)
        os.kill(run.pid, 9)


def test_an_errored_state_of_another_workspace_is_not_this_ones(aws, bucket):
    content = json.loads(state(1, resources=1))
    content["resources"][0]["instances"][0]["attributes"]["tags_all"] = {"Workspace": "prod"}
    errored = aws.settings.root / "errored.tfstate"
    errored.write_text(json.dumps(content))
    assert kept_state.left(aws.settings) is None
    kept_state.require_saved(aws.settings)
    errored.write_bytes(state(1, resources=1))  # nothing says whose it is, and there is none that it could follow
    with pytest.raises(Refused, match="Nothing says which workspace"):
        kept_state.push_left(aws, errored)
    assert bucket.content is None


def test_a_task_killed_before_it_knew_that_it_has_the_lock_gives_it_back_later(aws, bucket, monkeypatch):
    monkeypatch.setattr(kept_state.state_lock, "acquire", _taken_and_killed(kept_state.state_lock.acquire))
    with pytest.raises(KeyboardInterrupt):
        kept_state.lock(aws, "apply")
    assert state_lock.holder(aws) is not None
    kept_state.release_ours(aws)
    assert state_lock.holder(aws) is None


def _taken_and_killed(acquire):
    def run(*arguments):
        acquire(*arguments)
        raise KeyboardInterrupt

    return run


def test_an_older_state_is_not_pushed_over_a_newer_one(aws, bucket, tmp_path):
    bucket.put(state(7))
    errored = aws.settings.root / "errored.tfstate"
    errored.write_bytes(state(6))
    assert kept_state.left(aws.settings) == errored
    with pytest.raises(Refused, match="newer"):
        kept_state.push_left(aws, errored)
    assert bucket.content == state(7) and state_lock.holder(aws) is None


def test_half_a_state_is_said_to_be_one(aws, bucket):
    errored = aws.settings.root / "errored.tfstate"
    errored.write_bytes(state(8)[:20])
    with pytest.raises(Failed, match="not a whole state"):
        kept_state.push_left(aws, errored)
    assert state_lock.holder(aws) is None


def test_a_lock_that_a_killed_task_has_left_before_it_began_is_given_back(aws, bucket):
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept_state.release_ours(aws)
    assert state_lock.holder(aws) is None
    state_lock.acquire(aws, "apply")
    kept_state.release_ours(aws)  # somebody else's by now
    assert state_lock.holder(aws) is not None
