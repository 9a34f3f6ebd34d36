"""A shell in a container: which program is called with what. The programs are stand-ins that tell what they were given."""

from __future__ import annotations

import os
import stat

import pytest

from canned_aws import CannedAws, task
from tasks.core import ecs_tasks, settings, shell
from tasks.core.console import Failed, WentWrong
from tasks.core.session import Session

TASK = ecs_tasks.of(task(status="RUNNING"))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """`programs("aws", "exit 3")`: the only programs on the path, each notes its arguments; answers what was noted."""
    folder, notes = tmp_path / "bin", tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, body: str = "exit 0") -> None:
        file = folder / name
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name}" "$@" >>{notes}\n{body}\n')
        file.chmod(file.stat().st_mode | stat.S_IEXEC)

    make.notes = lambda: notes.read_text().splitlines()
    return make


@pytest.fixture
def dev(root, programs):  # after the programs: the session keeps the environment, and in it the path
    return Session(settings.load("dev", root), dict(os.environ, AWS_REGION="ap-southeast-2"), None)


def test_on_aws_the_cli_is_handed_the_terminal(dev, programs):
    programs("aws", 'echo "$AWS_REGION" >&2; exit 3')
    programs("session-manager-plugin")
    shell.require_tools(dev)
    assert shell.execute(dev, "small", TASK, "ows", "") == 3
    said = programs.notes()
    assert said[:7] == ["aws", "ecs", "execute-command", "--cluster", "small", "--task", TASK.id]
    assert said[7:11] == ["--container", "ows", "--interactive", "--command"] and said[11].startswith("sh -c ")


@pytest.mark.parametrize(
    ("there", "missing", "where"),
    [
        ([], "The AWS CLI is not installed", "getting-started-install"),
        (["aws"], "session-manager-plugin is not installed", "install-plugin"),
    ],
)
def test_what_is_missing_is_said_with_where_to_get_it(dev, programs, there, missing, where):
    for name in there:
        programs(name)
    with pytest.raises(Failed, match=missing) as failed:
        shell.require_tools(dev)
    assert where in failed.value.run


def test_in_local_it_is_the_container_with_the_tasks_label(local, programs):
    aws = CannedAws(local)
    with pytest.raises(Failed, match="The docker command is not installed"):
        shell.require_tools(aws)
    programs("docker", 'case "$1" in ps) echo 0123abcd;; exec) exit 5;; esac')
    shell.require_tools(aws)
    assert shell.execute(aws, "small", TASK, "ows", "ls /") == 5
    said = programs.notes()
    assert f"label=com.amazonaws.ecs.task-arn={TASK.arn}" in said
    assert said[said.index("exec") :] == ["exec", "--interactive", "0123abcd", "sh", "-c", "ls /"]


def test_a_task_without_a_container_here_is_said(local, programs):
    programs("docker")
    with pytest.raises(WentWrong, match="has no container ows that runs here"):
        shell.execute(CannedAws(local), "small", TASK, "ows", "")


def test_an_engine_that_does_not_answer_is_said(local, programs):
    programs("docker", "echo Cannot connect >&2; exit 1")
    with pytest.raises(Failed, match="The Docker engine does not answer: Cannot connect"):
        shell.execute(CannedAws(local), "small", TASK, "ows", "")
