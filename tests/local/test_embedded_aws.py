"""The embedded AWS as a process: started, found, killed, brought back; whatever lies in its home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.core import embedded_aws
from tasks.core.console import Failed, TookTooLong

BUCKET = "state-of-the-stack"
QUICK = ["--save-every", "0.1"]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def root(tmp_path: Path, python: Path) -> Iterator[Path]:
    """A project whose MiniStack environment is the tests' one, already made."""
    made = tmp_path / ".local" / "ministack"
    made.parent.mkdir()
    made.symlink_to(python.parents[1])
    yield tmp_path
    embedded_aws.stop(embedded_aws.home_of(tmp_path))


def _store(aws, key: str, body: bytes) -> None:
    s3 = aws("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def _stored(aws, key: str) -> bytes:
    return aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def _saved(home: Path) -> None:
    embedded_aws._ask(embedded_aws.look(home).endpoint, "/_local/save", "POST")


def _kill(server: embedded_aws.Server, home: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    assert embedded_aws._until(lambda: not embedded_aws.look(home).running and not embedded_aws._held(home), 5)


@contextlib.contextmanager
def _taken(port: int = 0) -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield other.getsockname()[1]


def test_it_starts_once_is_found_and_stops(root):
    said = []
    first = embedded_aws.up(root, said.append)
    assert first.running and first.endpoint == f"http://127.0.0.1:{first.port}" and not first.containers
    assert "empty" in said[-1]
    assert embedded_aws.up(root, said.append) == first
    assert embedded_aws.status(root) == first
    assert not embedded_aws.down(root, said.append).running
    assert embedded_aws.status(root).pid is None


def test_two_starts_at_once_make_one_server(home, python):
    found = []
    starts = [threading.Thread(target=lambda: found.append(embedded_aws.start(home, python))) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(found) == 4 and len({server.pid for server in found}) == 1


@on_linux
def test_it_listens_on_loopback_alone_and_on_one_port(home, python):
    server = embedded_aws.start(home, python)
    sockets = {os.readlink(link) for link in Path(f"/proc/{server.pid}/fd").iterdir() if link.is_symlink()}
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets and (fields[3] == "0A" or table.startswith("udp")):
                listening.append(fields[1])
    assert listening == [f"0100007F:{server.port:04X}"]


@on_linux
def test_nothing_of_the_callers_environment_reaches_it(home, python, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "DOCKER_HOST", "PERSIST_STATE", "BIND_HOST", "PYTHONPATH"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = embedded_aws.start(home, python)
    names = {entry.split("=")[0] for entry in Path(f"/proc/{server.pid}/environ").read_text().split("\0") if entry}
    assert names <= set(embedded_aws.PASSED_ON)


def test_the_account_comes_back_after_an_orderly_stop(home, python, clients):
    _store(clients(embedded_aws.start(home, python)), "terraform.tfstate", b"one" * 5000)
    embedded_aws.stop(home)
    server = embedded_aws.start(home, python)
    assert _stored(clients(server), "terraform.tfstate") == b"one" * 5000
    assert datetime.now(timezone.utc) - server.restored_at < timedelta(seconds=30)


def test_the_account_of_seconds_ago_comes_back_after_kill_9(home, python, clients):
    server = embedded_aws.start(home, python, options=QUICK)
    _store(clients(server), "terraform.tfstate", b"saved")
    assert embedded_aws._until(lambda: embedded_aws.look(home).saved_at is not None, 5)
    time.sleep(0.5)
    _kill(server, home)
    assert not embedded_aws.look(home).running
    assert _stored(clients(embedded_aws.start(home, python)), "terraform.tfstate") == b"saved"


def test_kill_9_at_any_moment_leaves_bucket_and_resources_of_one_moment(home, python, clients):
    """Each round writes a number into SSM and then into the bucket; what comes back may differ by one, never by more."""
    for pause in (0.11, 0.23, 0.31):
        server = embedded_aws.start(home, python, options=["--save-every", "0.02"])
        aws = clients(server)
        ssm = aws("ssm")
        _store(aws, "number", b"0")
        ssm.put_parameter(Name="/number", Value="0", Type="String", Overwrite=True)
        killer = threading.Timer(pause, os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        with contextlib.suppress(Exception):
            for number in range(1, 10_000):
                ssm.put_parameter(Name="/number", Value=str(number), Type="String", Overwrite=True)
                _store(aws, "number", str(number).encode() + b" " * 5000)
        killer.join()
        assert embedded_aws._until(lambda: not embedded_aws._held(home), 5)
        server = embedded_aws.start(home, python)
        assert server.warning is None
        aws = clients(server)
        written = int(aws("ssm").get_parameter(Name="/number")["Parameter"]["Value"])
        assert written - int(_stored(aws, "number")) in (0, 1)
        embedded_aws.stop(home)


def test_old_versions_and_delete_markers_come_back(home, python, clients):
    aws = clients(embedded_aws.start(home, python))
    _store(aws, "state", b"first")
    _store(aws, "state", b"second")
    _store(aws, "gone", b"x")
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
    _store(clients(server), "state", b"first")
    _saved(home)
    _store(clients(server), "state", b"second")
    _saved(home)
    _kill(server, home)
    newest = sorted((home / "account").glob("*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    server = embedded_aws.start(home, python)
    assert "torn" in server.warning
    assert _stored(clients(server), "state") == b"first"


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
    _store(clients(server), "state", b"x" * 5000)
    assert embedded_aws._until(lambda: "cannot be saved" in (embedded_aws.look(home).warning or ""), 5)
    (home / "elsewhere").rename(values)
    assert embedded_aws._until(lambda: embedded_aws.look(home).warning is None, 5)


def test_a_taken_port_is_said_and_another_one_used(home, python):
    said = []
    with _taken() as port:
        server = embedded_aws.start(home, python, port=port, say=said.append)
        assert server.port != port
    assert said == [f"Port {port} is taken; the embedded AWS uses {server.port}."]


def test_two_projects_that_start_at_once_get_ports_of_their_own(tmp_path, python):
    with _taken() as port:
        pass  # free again, and liked by both
    homes, servers = [tmp_path / "one", tmp_path / "two"], []
    starts = [threading.Thread(target=lambda home=home: servers.append(embedded_aws.start(home, python, port)))
              for home in homes]
    try:
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        assert len({server.port for server in servers}) == 2
    finally:
        for home in homes:
            embedded_aws.stop(home)


def test_the_port_stays_the_same_over_restarts(root):
    port = embedded_aws.up(root, print).port
    embedded_aws.down(root, print)
    assert embedded_aws.up(root, print).port == port


def test_the_record_of_another_project_is_not_taken_for_its_own(tmp_path, python):
    """As after copying a project's folder; a wrong record must not stop somebody else's server."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    try:
        other = embedded_aws.start(theirs, python)
        server = embedded_aws.start(ours, python, options=QUICK)
        shutil.copy(theirs / "server.json", ours / "server.json")
        assert embedded_aws.look(ours).pid in (None, server.pid)
        embedded_aws.stop(ours)
        assert embedded_aws.look(theirs) == other
    finally:
        embedded_aws.stop(ours)
        embedded_aws.stop(theirs)


@pytest.mark.parametrize("record", ["", '{"pid": 1', '{"pid": 1, "port": 1}', "[]"])
def test_a_damaged_record_of_a_stopped_server_is_no_hindrance(home, python, record):
    home.mkdir()
    (home / "server.json").write_text(record)
    assert not embedded_aws.look(home).running
    assert embedded_aws.start(home, python).running


def test_a_damaged_record_of_a_running_server_is_put_right(home, python):
    server = embedded_aws.start(home, python, options=QUICK)
    (home / "server.json").write_text('{"pid": 1')
    assert embedded_aws.start(home, python).pid == server.pid
    (home / "server.json").unlink()
    embedded_aws.stop(home)
    assert not embedded_aws._held(home)


def test_a_record_that_names_a_living_process_of_somebody_else_harms_nobody(home, python):
    """As after a reboot, when another program has the old process id."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        home.mkdir()
        record = {"home": str(home.resolve()), "pid": other.pid, "endpoint": "http://127.0.0.1:9", "port": 9}
        (home / "server.json").write_text(json.dumps(record))
        assert not embedded_aws.look(home).running
        embedded_aws.stop(home)
        assert other.poll() is None
        other.kill()


def test_a_server_that_hangs_is_ended_and_its_last_save_stays(home, python, clients):
    server = embedded_aws.start(home, python)
    _store(clients(server), "state", b"kept")
    _saved(home)
    os.kill(server.pid, signal.SIGSTOP)
    said = []
    embedded_aws.stop(home, said.append, wait=1)
    assert "does not stop by itself" in said[0]
    assert _stored(clients(embedded_aws.start(home, python)), "state") == b"kept"


def test_a_server_that_does_not_answer_in_time_is_said_with_its_log(home, python):
    home.mkdir()
    (home / "server.log").write_text("the last line\n")
    with pytest.raises(TookTooLong, match="the last line"):
        embedded_aws.start(home, python, wait=0.01)
    assert embedded_aws._until(lambda: embedded_aws.look(home).running, 20)


def test_a_server_whose_home_is_deleted_ends(home, python):
    server = embedded_aws.start(home, python, options=QUICK)
    shutil.rmtree(home)
    assert embedded_aws._until(lambda: not embedded_aws._answers(server.endpoint), 5)
    assert not home.exists()


def test_reset_empties_a_running_account_and_keeps_its_port(root, clients):
    server = embedded_aws.up(root, print)
    _store(clients(server), "state", b"x")
    again = embedded_aws.reset(root, print)
    assert (again.running, again.port, again.restored_at) == (True, server.port, None)
    assert clients(again)("s3").list_buckets()["Buckets"] == []


def test_reset_of_a_stopped_account_leaves_nothing(root, clients):
    _store(clients(embedded_aws.up(root, print)), "state", b"x")
    embedded_aws.down(root, print)
    assert not embedded_aws.reset(root, print).running
    assert not embedded_aws.home_of(root).exists()


def test_a_copy_is_an_account_of_its_own(tmp_path, python, clients):
    golden, copy = tmp_path / "golden", tmp_path / "copy"
    try:
        aws = clients(embedded_aws.start(golden, python))
        _store(aws, "state", b"golden")
        embedded_aws.copy(golden, copy)
        other = clients(embedded_aws.start(copy, python))
        _store(other, "state", b"changed")
        assert (_stored(aws, "state"), _stored(other, "state")) == (b"golden", b"changed")
    finally:
        embedded_aws.stop(copy)
        embedded_aws.stop(golden)


def test_only_the_owner_can_read_what_it_keeps(home, python, clients):
    _store(clients(embedded_aws.start(home, python)), "state", b"x" * 5000)
    _saved(home)
    assert {place.stat().st_mode & 0o077 for place in (home, *home.rglob("*"))} == {0}


def test_no_secret_reaches_the_log(home, python, clients):
    aws = clients(embedded_aws.start(home, python))
    aws("ssm").put_parameter(Name="/a/secret", Value="canary-4711", Type="SecureString")
    aws("rds").create_db_instance(DBInstanceIdentifier="d", Engine="postgres", DBInstanceClass="db.t4g.micro",
                                  MasterUsername="m", MasterUserPassword="canary-4711", AllocatedStorage=20)
    assert "canary-4711" not in (home / "server.log").read_text()


def test_the_server_that_the_caller_names_is_the_one_in_use(home, python, tmp_path, monkeypatch):
    server = embedded_aws.start(home, python)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    found = embedded_aws.status(tmp_path / "another project")
    assert (found.running, found.endpoint, found.pid) == (True, server.endpoint, None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert not embedded_aws.status(tmp_path).running


def test_another_version_than_the_pinned_one_is_refused(tmp_path, python):
    pretended = tmp_path / "local"
    shutil.copytree(embedded_aws.PROGRAM.parent, pretended, ignore=shutil.ignore_patterns("__pycache__"))
    requirements = pretended / "requirements.txt"
    requirements.write_text(requirements.read_text().replace("ministack==1.5.33", "ministack==1.5.32"))
    done = subprocess.run([str(python), "-B", str(pretended / "serve.py"), "--home", str(tmp_path / "aws")],
                          capture_output=True, text=True)
    assert done.returncode == 4
    assert done.stderr.startswith("The embedded AWS needs MiniStack 1.5.32, found 1.5.33")


@pytest.mark.parametrize("seconds, words", [(0, "just now"), (1, "1 second ago"), (59, "59 seconds ago"),
                                            (60, "1 minute ago"), (7200, "2 hours ago"), (90_000, "1 day ago")])
def test_an_age_in_words(seconds, words):
    assert embedded_aws.age(datetime.now(timezone.utc) - timedelta(seconds=seconds)) == words
