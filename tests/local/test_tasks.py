"""The tasks `local.up`, `local.down`, `local.status` and `local.reset`, as a user runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driven_project import Project, share
from tasks.core import embedded_aws
from tasks.core.processes import start_time, write_json


@pytest.fixture
def project(bake, tmp_path, python) -> Iterator[Project]:
    """A project of its own whose MiniStack environment is made."""
    folder = shutil.copytree(bake(), tmp_path / "project")
    share(python.parents[1], folder)
    passed_on = ("PATH", "HOME", "PYTHONDONTWRITEBYTECODE")
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    yield Project(folder, {**environment, "LOCAL_CONTAINERS": "0"})
    embedded_aws.stop(embedded_aws.home_of(folder))


def test_status_tells_a_program_what_the_contract_says(project):
    before = project.must("local.status", "--json").json
    assert before == {"schema": 1, "workspace": "local", "account": "000000000000", "region": "ap-southeast-2",
                      "running": False, "endpoint": None, "containers": False, "reason": None, "running_containers": None,
                      "pid": None, "log": None}
    up = project.must("local.up", "--json").json
    assert (up["running"], up["containers"], up["reason"]) == (True, False, "LOCAL_CONTAINERS is 0")
    assert up["endpoint"].startswith("http://127.0.0.1:")
    assert Path(up["log"]) == project.folder / ".local" / "aws" / "server.log"
    os.kill(up["pid"], 0)  # there is such a process
    assert project.must("local.status", "--json").json == up
    assert project.must("local.down", "--json").json == {**before, "log": up["log"]}


def test_status_tells_a_person_where_it_is_and_how_old_the_account(project):
    assert project.must("local.status").out == "The embedded AWS is not running.\n"
    assert "its account is empty" in project.must("local.up").err
    project.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    shown = project.must("local.status").out
    assert "runs at http://127.0.0.1:" in shown and "are recorded, not run: LOCAL_CONTAINERS is 0" in shown
    assert "its account of" in project.must("local.down").out
    assert "its account is as it was" in project.must("local.up").err
    os.kill(embedded_aws.look(embedded_aws.home_of(project.folder)).pid, signal.SIGKILL)
    assert "its account is as it was" in project.must("local.up").err


def test_reset_wants_the_name_of_what_is_lost(project):
    project.must("local.up")
    project.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    for words in (("local.reset",), ("local.reset", "--confirm", "yes")):
        refused = project.invoke(*words)
        assert refused.code == 3 and "invoke local.reset --confirm local" in refused.err
    assert project.client("s3").list_buckets()["Buckets"]
    project.must("local.reset", "--confirm", "datacube-wms-local")
    assert not project.client("s3").list_buckets()["Buckets"]


def test_the_server_that_the_caller_names_is_used_and_not_ended(project, mended):
    named = Project(project.folder, {**project.environment, "AWS_ENDPOINT_URL": mended.endpoint})
    assert named.must("local.up", "--json").json["endpoint"] == mended.endpoint
    assert named.must("local.status", "--json").json["endpoint"] == mended.endpoint
    for words in (("local.down",), ("local.reset", "--confirm", "local")):
        refused = named.invoke(*words)
        assert refused.code == 3 and "unset AWS_ENDPOINT_URL" in refused.err
    nobody = Project(project.folder, {**project.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert nobody.must("local.status", "--json").json["running"] is False
    assert nobody.invoke("local.up").code == 1


def test_it_is_not_stopped_under_a_running_terraform(project):
    project.must("local.up")
    runs = project.folder / ".local" / "runs" / "local"
    runs.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as terraform:
        write_json(runs / "run.json", {
            "kind": "apply", "pid": terraform.pid, "start_time": start_time(terraform.pid),
            "supervisor": terraform.pid, "supervisor_start_time": start_time(terraform.pid),
            "started_at": "2026-01-01T00:00:00+00:00"})
        for words in (("local.down",), ("local.reset", "--confirm", "local")):
            refused = project.invoke(*words)
            assert refused.code == 3 and "Terraform is at work" in refused.err
        terraform.kill()
    assert project.invoke("local.down").code == 0


def test_it_serves_the_workspace_local_alone(project):
    assert project.invoke("local.up", "-w", "dev").code == 4
