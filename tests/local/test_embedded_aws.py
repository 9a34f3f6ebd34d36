"""The embedded AWS as a process: started, found, stopped; whatever lies in its home."""

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
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kept_account import QUICK, saved, store, stored
from tasks.core import embedded_aws
from tasks.core.console import TookTooLong

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def root(tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose MiniStack environment is the tests' one, already made; what would run there is recorded."""
    monkeypatch.setenv("LOCAL_CONTAINERS", "0")
    made = tmp_path / ".local" / "ministack"
    made.parent.mkdir()
    made.symlink_to(python.parents[1])
    yield tmp_path
    embedded_aws.stop(embedded_aws.home_of(tmp_path))


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
    assert "empty" in said[-2] and said[-1] == "Containers are recorded and do not run: LOCAL_CONTAINERS is 0."
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
    store(clients(server), "state", b"kept")
    saved(home)
    os.kill(server.pid, signal.SIGSTOP)
    said = []
    embedded_aws.stop(home, said.append, wait=1)
    assert "does not stop by itself" in said[0]
    assert stored(clients(embedded_aws.start(home, python)), "state") == b"kept"


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
    store(clients(server), "state", b"x")
    again = embedded_aws.reset(root, print)
    assert (again.running, again.port, again.restored_at) == (True, server.port, None)
    assert clients(again)("s3").list_buckets()["Buckets"] == []


def test_reset_of_a_stopped_account_leaves_nothing(root, clients):
    store(clients(embedded_aws.up(root, print)), "state", b"x")
    embedded_aws.down(root, print)
    assert not embedded_aws.reset(root, print).running
    assert not embedded_aws.home_of(root).exists()


def test_a_copy_is_an_account_of_its_own(tmp_path, python, clients):
    golden, copy = tmp_path / "golden", tmp_path / "copy"
    try:
        aws = clients(embedded_aws.start(golden, python))
        store(aws, "state", b"golden")
        embedded_aws.copy(golden, copy)
        other = clients(embedded_aws.start(copy, python))
        store(other, "state", b"changed")
        assert (stored(aws, "state"), stored(other, "state")) == (b"golden", b"changed")
    finally:
        embedded_aws.stop(copy)
        embedded_aws.stop(golden)


def test_only_the_owner_can_read_what_it_keeps(home, python, clients):
    store(clients(embedded_aws.start(home, python)), "state", b"x" * 5000)
    saved(home)
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
