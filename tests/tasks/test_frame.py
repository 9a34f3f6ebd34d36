"""The contract around every task: exit codes, streams, JSON on failure, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.core import console

PROJECT = Path(console.__file__).parents[2]
PROGRAM = """\
import sys, time
from invoke import Collection, Program
from tasks import frame
from tasks.core import console

@frame.task(help={{"json": "JSON", "name": "a name"}})
def it(context, json=False, name=""):
    "Do it."
    {body}

Program(namespace=Collection(it)).run(["x", "it", *sys.argv[1:]])
"""


@pytest.fixture
def program(tmp_path):
    """`program(body, *flags)` starts a task with this body in a process of its own."""
    started: list[subprocess.Popen] = []

    def start(body: str, *flags: str) -> subprocess.Popen[str]:
        file = tmp_path / "program.py"
        file.write_text(PROGRAM.format(body=body.replace("\n", "\n    ")))
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
        started.append(
            subprocess.Popen(
                [sys.executable, str(file), *flags],
                env=environment,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("kind", "code"), [("Failed", 1), ("Refused", 3), ("BadInput", 4), ("WentWrong", 5), ("TookTooLong", 6)]
)
def test_a_failure_is_a_sentence_a_command_and_an_exit_code(program, kind, code):
    process = program(f"raise console.{kind}('It broke.', run='invoke x')")
    out, err = process.communicate()
    assert (process.returncode, out, err) == (code, "", "It broke.\n  run: invoke x\n")


def test_a_failure_with_json_is_one_object_on_stdout(program):
    process = program("console.say('working')\nraise console.Refused('No.', run='invoke x')", "--json")
    out, err = process.communicate()
    assert process.returncode == 3
    assert json.loads(out) == {"error": {"code": 3, "message": "No.", "run": "invoke x"}}
    assert err == "working\nNo.\n  run: invoke x\n"


def test_an_error_of_boto3_is_a_sentence(program):
    process = program("from botocore.exceptions import NoCredentialsError\nraise NoCredentialsError()", "--json")
    out, err = process.communicate()
    assert process.returncode == 1
    assert json.loads(out)["error"]["message"].startswith("There are no usable AWS credentials")
    assert "Traceback" not in err


def test_a_mistake_of_ours_keeps_its_traceback(program):
    process = program("raise ZeroDivisionError")
    _, err = process.communicate()
    assert process.returncode == 1 and "Traceback" in err


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_signal_is_a_sentence_and_its_exit_code(program, number, code, word, flags):
    process = program("print('ready', file=sys.stderr)\ntime.sleep(60)", *flags)
    assert process.stderr.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert err.startswith(word) and "Traceback" not in err
    assert (json.loads(out)["error"]["code"] == code) if flags else (out == "")


def test_kill_is_not_swallowed_by_a_task_that_catches_every_exception(program):
    process = program("print('ready', file=sys.stderr)\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass")
    process.stderr.readline()
    time.sleep(0.1)
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 143


@pytest.mark.parametrize("signature", ['name=""', "name"])
def test_a_stray_word_never_becomes_a_value(program, monkeypatch, signature):
    monkeypatch.setitem(globals(), "PROGRAM", PROGRAM.replace('json=False, name=""', f"{signature}, json=False"))
    process = program("console.show(repr(name))", "stray")
    out, err = process.communicate()
    assert process.returncode == 1 and "stray" in err and out == ""
