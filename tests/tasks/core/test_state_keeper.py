"""What brings the state to the bucket while Terraform works, and at the end; in the supervisor as it really runs, too."""

from __future__ import annotations

import contextlib
import json
import os
import sys

import pytest

from small_state import state
from tasks.core import kept_state, runs, state_file, state_keeper, state_lock, unfinished
from tasks.core.console import Refused


def test_what_terraform_writes_comes_to_the_bucket_and_leaves_this_disk(aws, bucket, file, keeper):
    bucket.put(state(3))
    lock = state_lock.acquire(aws, "apply")
    kept_state.fetch(aws, lock)
    kept = keeper()
    file.write_bytes(state(4, resources=2))
    assert kept_state.left(aws.settings) == file
    assert kept.finish() is None
    assert bucket.content == state(4, resources=2) and not file.exists() and state_lock.holder(aws) is None


def test_a_first_state_is_made_and_a_run_that_wrote_none_makes_none(aws, bucket, file, keeper):
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    assert keeper().finish() is None and bucket.content is None and state_lock.holder(aws) is None
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    file.write_bytes(state(1))
    assert keeper().finish() is None and bucket.content == state(1)


def test_it_is_brought_meanwhile_so_that_a_lost_disk_costs_seconds(aws, bucket, file, keeper, monkeypatch):
    monkeypatch.setattr(state_keeper, "EVERY", 0)
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    for serial in (1, 2, 3):
        file.write_bytes(state(serial))
        kept.tick()
        assert bucket.content == state(serial)


def test_a_torn_file_is_never_brought_the_last_whole_one_is(aws, bucket, file, keeper, monkeypatch):
    monkeypatch.setattr(state_keeper, "EVERY", 0)
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    file.write_bytes(state(1, resources=3))
    kept.tick()
    file.write_bytes(state(1, resources=4)[:-40])
    kept.tick()
    assert bucket.content == state(1, resources=3)
    assert kept.finish() is None and bucket.content == state(1, resources=3)


def test_what_somebody_else_has_written_is_not_written_over(aws, bucket, file, keeper, monkeypatch):
    monkeypatch.setattr(state_keeper, "PATIENCE", 0)
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    bucket.put(state(9, lineage="theirs"))
    file.write_bytes(state(4))
    assert "PreconditionFailed" in kept.finish()
    assert bucket.content == state(9, lineage="theirs") and file.read_bytes() == state(4)
    with pytest.raises(Refused, match="waits|bring its state"):
        kept_state.require_saved(aws.settings)
    with pytest.raises(Refused, match="by somebody else since"):
        kept_state.push_left(aws, file)
    assert bucket.content == state(9, lineage="theirs")


def test_a_bucket_that_is_away_at_the_end_costs_nothing(aws, bucket, file, keeper, monkeypatch):
    bucket.put(state(3))
    lock = state_lock.acquire(aws, "apply")
    kept_state.fetch(aws, lock)
    file.write_bytes(state(4, resources=5))
    kept = keeper()
    with monkeypatch.context() as away:
        away.setattr(state_keeper, "PATIENCE", 0)
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        assert "127.0.0.1:9" in kept.finish()
    assert kept_state.left(aws.settings) == file and state_lock.holder(aws).id == lock
    with pytest.raises(Refused):
        kept_state.fetch(aws)
    pushed = kept_state.push_left(aws, file)
    assert len(pushed.resources) == 5 and bucket.content == state(4, resources=5)
    assert not file.exists() and state_lock.holder(aws) is None


def test_a_write_whose_answer_got_lost_is_no_strangers(aws, bucket, file, keeper, monkeypatch):
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    file.write_bytes(state(4))
    kept._look()

    class Lost:
        def put_object(self, **arguments):
            bucket.put(arguments["Body"])
            raise OSError("the answer got lost")

    with pytest.raises(OSError):
        kept._push(Lost())
    file.write_bytes(state(5))
    assert kept_state.push_left(aws, file).serial == 5 and bucket.content == state(5)


def test_after_a_lost_answer_the_run_itself_brings_what_comes_later(aws, bucket, file, keeper, monkeypatch):
    """The bucket holds what was sent then, and no longer what was read: it is ours all the same."""
    monkeypatch.setattr(state_keeper, "PATIENCE", 0)
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    for serial in (4, 5):  # of two answers both get lost; the second write was refused, which nobody heard
        file.write_bytes(state(serial))
        kept._look()
        with pytest.raises(OSError):
            kept._push(AnswersGetLost(aws, kept.place))
    file.write_bytes(state(6, resources=2))
    assert kept.finish() is None and bucket.content == state(6, resources=2) and not file.exists()


class AnswersGetLost:
    """S3 that does what it is told, and is not heard."""

    def __init__(self, aws, place):
        self.s3, self.place = aws.client("s3"), place

    def put_object(self, **arguments):
        with contextlib.suppress(self.s3.exceptions.ClientError):
            self.s3.put_object(**arguments)
        raise OSError("the answer got lost")


def test_a_full_disk_does_not_cost_the_state_that_waits_on_it(aws, bucket, file, keeper, monkeypatch):
    """What is whole is not written again; over what is torn the last whole one goes, aside first."""
    monkeypatch.setattr(state_keeper, "PATIENCE", 0)
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    file.write_bytes(state(4, resources=2))
    kept._look()
    bucket.put(state(9, lineage="theirs"))
    with monkeypatch.context() as full:
        full.setattr(state_keeper.files, "replace", _no_space_for(file, state_keeper.files.replace))
        full.setattr(state_keeper.Path, "write_bytes", _no_space_for(file, state_keeper.Path.write_bytes))
        assert "PreconditionFailed" in kept.finish() and file.read_bytes() == state(4, resources=2)
    file.write_bytes(state(5)[:20])
    assert "PreconditionFailed" in kept.finish() and file.read_bytes() == state(4, resources=2)


def _no_space_for(file, write):
    def perhaps(place, *arguments):
        if place == file:
            raise OSError(28, "No space left on device")
        return write(place, *arguments)

    return perhaps


def test_what_is_being_made_is_told_beside_the_state_for_who_has_not_this_disk(aws, bucket, file, keeper, monkeypatch):
    monkeypatch.setattr(state_keeper, "NOTE_EVERY", 0)
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    for address, told in (("aws_vpc.a", ["aws_vpc.a"]), ("aws_eip.b", ["aws_eip.b", "aws_vpc.a"])):
        event = {"type": "apply_start", "hook": {"action": "create", "resource": {"addr": address}}}
        with open(kept.events, "a") as events:
            events.write(json.dumps(event) + "\n")
        kept.tick()
        assert unfinished.everywhere(aws) == told
    assert unfinished.noted(aws.settings) == []
    unfinished.share(aws)  # as at the end of an apply that left nothing
    assert unfinished.everywhere(aws) == []


def test_what_a_lost_disk_was_making_is_still_told_while_another_one_goes_on(aws, bucket, file, keeper, monkeypatch):
    """Its plan adopts all of that, and may be killed before it has."""
    monkeypatch.setattr(state_keeper, "NOTE_EVERY", 0)
    unfinished.note_addresses(aws.settings, ["aws_vpc.lost"])
    unfinished.share(aws)
    unfinished.forget(aws.settings)  # here nobody knows of it
    unfinished.gather(aws)
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    kept = keeper()
    event = {"type": "apply_start", "hook": {"action": "create", "resource": {"addr": "aws_eip.b"}}}
    kept.events.write_text(json.dumps(event) + "\n")
    kept.tick()
    unfinished.forget(aws.settings)
    assert unfinished.everywhere(aws) == ["aws_eip.b", "aws_vpc.lost"]


def test_the_supervisor_brings_it_and_says_so(aws, bucket, file):
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    script = f"open({str(file)!r}, 'wb').write({state(1, resources=2)!r})"
    run = runs.start(aws.settings, "apply", [sys.executable, "-c", script], dict(aws.environment), aws.settings.root,
                     kept_state.record_file(aws.settings))
    assert runs.follow(run, lambda event: None) == 0 and run.unsaved is None
    assert state_file.parse(bucket.content).serial == 1 and state_lock.holder(aws) is None and not file.exists()


def test_a_supervisor_ends_what_a_killed_terraform_has_left(aws, bucket, tmp_path):
    """Terraform's provider goes on after kill -9 of Terraform; here a program of that name stands for both."""
    terraform = tmp_path / "terraform"
    terraform.write_text('#!/bin/sh\n"$0"-provider & exec sleep 60\n')
    provider = tmp_path / "terraform-provider"
    os.symlink("/bin/sleep", provider)
    terraform.write_text(f'#!/bin/sh\n"{provider}" 60 &\nexec sleep 60\n')
    terraform.chmod(0o755)
    run = runs.start(aws.settings, "apply", [str(terraform)], dict(os.environ))
    os.kill(run.pid, 9)
    runs.follow(run, lambda event: None)
    assert run.code == -9
    assert not any(str(provider) in (folder / "cmdline").read_text() for folder in _processes())


def _processes():
    from pathlib import Path

    for folder in Path("/proc").glob("[0-9]*"):
        try:
            (folder / "cmdline").read_text()
        except OSError:
            continue
        yield folder
