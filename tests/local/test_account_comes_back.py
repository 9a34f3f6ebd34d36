"""The account of an embedded AWS comes back: after an orderly stop, after kill -9, from a damaged disk."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from kept_account import BUCKET, QUICK, kill, saved, store, stored
from tasks.core import embedded_aws
from tasks.core.console import Failed


def test_the_account_comes_back_after_an_orderly_stop(home, python, clients):
    store(clients(embedded_aws.start(home, python)), "terraform.tfstate", b"one" * 5000)
    embedded_aws.stop(home)
    server = embedded_aws.start(home, python)
    assert stored(clients(server), "terraform.tfstate") == b"one" * 5000
    assert datetime.now(timezone.utc) - server.restored_at < timedelta(seconds=30)


def test_the_account_of_seconds_ago_comes_back_after_kill_9(home, python, clients):
    server = embedded_aws.start(home, python, options=QUICK)
    store(clients(server), "terraform.tfstate", b"saved")
    assert embedded_aws._until(lambda: embedded_aws.look(home).saved_at is not None, 5)
    time.sleep(0.5)
    kill(server, home)
    assert not embedded_aws.look(home).running
    assert stored(clients(embedded_aws.start(home, python)), "terraform.tfstate") == b"saved"


def test_kill_9_at_any_moment_leaves_bucket_and_resources_of_one_moment(home, python, clients):
    """Each round writes a number into SSM and then into the bucket; what comes back may differ by one, never by more."""
    for pause in (0.11, 0.23, 0.31):
        server = embedded_aws.start(home, python, options=["--save-every", "0.02"])
        aws = clients(server)
        ssm = aws("ssm")
        store(aws, "number", b"0")
        ssm.put_parameter(Name="/number", Value="0", Type="String", Overwrite=True)
        killer = threading.Timer(pause, os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        with contextlib.suppress(Exception):
            for number in range(1, 10_000):
                ssm.put_parameter(Name="/number", Value=str(number), Type="String", Overwrite=True)
                store(aws, "number", str(number).encode() + b" " * 5000)
        killer.join()
        assert embedded_aws._until(lambda: not embedded_aws._held(home), 5)
        server = embedded_aws.start(home, python)
        assert server.warning is None
        aws = clients(server)
        written = int(aws("ssm").get_parameter(Name="/number")["Parameter"]["Value"])
        assert written - int(stored(aws, "number")) in (0, 1)
        embedded_aws.stop(home)


def test_old_versions_and_delete_markers_come_back(home, python, clients):
    aws = clients(embedded_aws.start(home, python))
    store(aws, "state", b"first")
    store(aws, "state", b"second")
    store(aws, "gone", b"x")
    aws("s3").delete_object(Bucket=BUCKET, Key="gone")
    before = _versions(aws)
    embedded_aws.stop(home)
    aws = clients(embedded_aws.start(home, python))
    assert _versions(aws) == before
    assert [aws("s3").get_object(Bucket=BUCKET, Key="state", VersionId=version)["Body"].read()
            for key, version, _ in before[0] if key == "state"] == [b"second", b"first"]


def _versions(aws) -> tuple:
    found = aws("s3").list_object_versions(Bucket=BUCKET)
    return ([(each["Key"], each["VersionId"], each["IsLatest"]) for each in found["Versions"]],
            [(each["Key"], each["VersionId"]) for each in found["DeleteMarkers"]])


def test_every_account_and_region_comes_back(home, python, clients):
    server = embedded_aws.start(home, python)
    for account in ("000000000000", "210987654321"):
        assert clients(server, account)("sts").get_caller_identity()["Account"] == account
        clients(server, account)("s3").create_bucket(
            Bucket=f"of-{account}", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
        clients(server, account)("s3").put_object(Bucket=f"of-{account}", Key="k", Body=account.encode())
    embedded_aws.stop(home)
    server = embedded_aws.start(home, python)
    for account in ("000000000000", "210987654321"):
        found = clients(server, account)("s3").get_object(Bucket=f"of-{account}", Key="k")["Body"].read()
        assert found == account.encode()


def test_a_torn_snapshot_is_said_and_the_one_before_taken(home, python, clients):
    server = embedded_aws.start(home, python)
    store(clients(server), "state", b"first")
    saved(home)
    store(clients(server), "state", b"second")
    saved(home)
    kill(server, home)
    newest = sorted((home / "account").glob("*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    server = embedded_aws.start(home, python)
    assert "torn" in server.warning
    assert stored(clients(server), "state") == b"first"


def test_an_account_that_cannot_be_used_is_said_and_kept(home, python):
    (home / "account").mkdir(parents=True)
    (home / "account" / "00000001.json").write_text("{}")
    with pytest.raises(Failed, match="invoke local.reset"):
        embedded_aws.start(home, python)
    assert (home / "account" / "00000001.json").exists()


def test_a_save_that_fails_is_said_and_tried_again(home, python, clients):
    server = embedded_aws.start(home, python, options=QUICK)
    values = home / "account" / "values"
    values.rename(home / "elsewhere")
    store(clients(server), "state", b"x" * 5000)
    assert embedded_aws._until(lambda: "cannot be saved" in (embedded_aws.look(home).warning or ""), 5)
    (home / "elsewhere").rename(values)
    assert embedded_aws._until(lambda: embedded_aws.look(home).warning is None, 5)
