"""The state on this disk while Terraform works: from the bucket, back into it, and never lost between the two."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys

import pytest

from tasks.core import kept_state, runs, state_file, state_keeper, state_lock, unfinished, working_root
from tasks.core.console import Failed, Refused
from tasks.core.initialise import state_object

MAIN = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


def state(serial: int, lineage: str = "one", resources: int = 0) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "outputs": {}, "resources": [
        {"mode": "managed", "type": "aws_vpc", "name": f"n{number}", "instances": [{"attributes": {"id": f"vpc-{number}"}}]}
        for number in range(resources)]}).encode()


class Bucket:
    def __init__(self, aws, client):
        self.s3, self.name, self.key = client("s3"), aws.settings.state_bucket, state_object(aws.settings)

    def put(self, content: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=self.key, Body=content)

    @property
    def content(self) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=self.name, Key=self.key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None


@pytest.fixture
def bucket(aws, client) -> Bucket:
    (aws.settings.root / "main.tf").write_text(MAIN)
    client("s3").create_bucket(Bucket=aws.settings.state_bucket,
                               CreateBucketConfiguration={"LocationConstraint": aws.settings.region})
    return Bucket(aws, client)


@pytest.fixture
def file(aws):
    return working_root.state_file(aws.settings)


@pytest.fixture
def keeper(aws, monkeypatch):
    """`keeper()` is what the supervisor has, in its environment."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    events = aws.settings.private_dir("runs", aws.settings.workspace) / "events.jsonl"
    return lambda: state_keeper.Keeper(kept_state.record_file(aws.settings), events)


def test_what_the_bucket_has_comes_to_this_disk_for_its_owner_only(aws, bucket, file):
    bucket.put(state(3))
    kept_state.fetch(aws)
    assert file.read_bytes() == state(3) and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_state.left(aws.settings) is None
    kept_state.discard(aws.settings)
    assert not file.exists()


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


def test_a_state_whose_like_is_gone_from_the_bucket_is_brought_there(aws, bucket, file):
    bucket.put(state(3))
    kept_state.fetch(aws, state_lock.acquire(aws, "apply"))
    file.write_bytes(state(4, resources=2))
    bucket.s3.delete_object(Bucket=bucket.name, Key=bucket.key)
    assert kept_state.push_left(aws, file).serial == 4 and bucket.content == state(4, resources=2)


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
