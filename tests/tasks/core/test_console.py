"""What a person and a program see: streams, colours, questions."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import console
from tasks.core.console import Refused

PROJECT = Path(console.__file__).parents[2]


def on_a_terminal(script: str, **environment: str) -> str:
    """What a script prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", f"from tasks.core import console\n{script}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "TERM": "xterm",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            part = b""
        if not part:
            break
        seen += part
    os.close(ours)
    assert child.wait() == 0, seen
    return seen.decode()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("Failed", 1),
        ("Refused", 3),
        ("BadInput", 4),
        ("WentWrong", 5),
        ("TookTooLong", 6),
        ("Interrupted", 130),
        ("Terminated", 143),
    ],
)
def test_each_kind_of_failure_has_the_contracts_exit_code(kind, code):
    error = getattr(console, kind)("It broke.", run="invoke x")
    assert (error.code, error.message, error.run) == (code, "It broke.", "invoke x")
    assert isinstance(error, console.TaskError)


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys):
    console.show("result")
    console.table("title", ("a", "b"), [("1", "module.x[\"a\"]"), ("2", "[bold]")])
    console.say("progress")
    console.warn("warning")
    console.explain(console.Failed("broken", run="invoke x"))
    out, err = capsys.readouterr()
    for text in ("result", "title", 'module.x["a"]', "[bold]"):
        assert text in out and text not in err
    assert err.splitlines() == ["progress", "warning", "broken", "  run: invoke x"]
    assert "\x1b" not in out + err


ADDRESS = f'module.ecs_policy["{"x" * 100}"].aws_kms_key.parameter_store_key'
ROW = ("created", ADDRESS, "why " * 60)


@pytest.mark.parametrize("last", ["why", None])
def test_an_address_is_never_cut_in_a_pipe(capsys, last):
    console.table("", ("will be", "resource", "why"), [ROW], last=last)
    assert ADDRESS in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["200", "80", "40"])
def test_a_narrow_terminal_folds_and_loses_nothing(columns):
    printed = on_a_terminal(
        f"console.table('', ('will be', 'resource', 'why'), [{ROW!r}], last='why')", COLUMNS=columns, NO_COLOR="1"
    )
    letters = "".join(character for character in printed if character.isalnum())
    assert letters.count("x") == 100 and letters.count("why") == 61
    assert "created" in printed


def test_json_is_one_object_with_the_schema_first(capsys):
    console.emit({"b": 1, "path": Path("/x")})
    printed = capsys.readouterr().out
    assert list(json.loads(printed)) == ["schema", "b", "path"] and json.loads(printed)["schema"] == 1
    console.emit_error(console.Refused("no", run="invoke x"))
    assert json.loads(capsys.readouterr().out) == {"error": {"code": 3, "message": "no", "run": "invoke x"}}


def test_colours_are_for_terminals_and_can_be_switched_off():
    script = "console.show('red', 'red'); console.table('', ('a',), [('b',)], styles=['green'])"
    assert "\x1b[31m" in on_a_terminal(script) and "\x1b[32m" in on_a_terminal(script)
    plain = on_a_terminal(script, NO_COLOR="1")
    assert "red" in plain and "\x1b[3" not in plain
    for forced in ({"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"CI": "1", "GITHUB_ACTIONS": "1"}):
        piped = subprocess.run(
            [sys.executable, "-c", f"from tasks.core import console\n{script}"],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", **forced},
        )
        assert "red" in piped.stdout and "\x1b" not in piped.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " YES \n"])
def test_a_yes_goes_on(monkeypatch, capsys, answer):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    console.confirm("Really?")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Really? [y/N] ")


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "no\n", "yep\n", "yy\n"])
def test_anything_else_changes_nothing(monkeypatch, answer):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(Refused, match="Nothing was done."):
        console.confirm("Really?")


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
def test_without_a_terminal_it_is_refused_unless_told_yes(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(Refused, match="Really\\? There is no terminal to answer on: add --yes."):
        console.confirm("Really?")
    console.confirm("Really?", yes=True)
