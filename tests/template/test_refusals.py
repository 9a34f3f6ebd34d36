"""A bad answer is refused at its own prompt, in one sentence and the command that goes on, and leaves nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys

import pytest
from cookiecutter.exceptions import FailedHookException
from datacube_wms_answers import questions, rules

from template_answers import BAD_ANSWERS, HOSTILE

CASES = [(question, answer) for question, answers in BAD_ANSWERS.items() for answer in dict.fromkeys(answers)]
# What is in every list is tried in each place once; each question's own answers and all of Jinja run the whole way.
WHOLE_WAY = [(question, answer) for question, answer in CASES if answer not in HOSTILE or "{" in answer]


def assert_refused(output: str, question: str) -> str:
    """The sentence, then the command, and nothing after them; returns the command."""
    found = re.search(rf"{question} cannot be .+\.\r?\nTo go on: (.+)\Z", output.strip())
    assert found and "Traceback" not in output, output
    return found[1]


def test_the_list_of_bad_answers_is_long():
    assert len(CASES) >= 80


@pytest.mark.parametrize(("question", "answer"), CASES)
def test_the_rule_refuses(question, answer):
    problem = rules.problem(question, {question: answer})
    assert problem and "\n" not in problem and problem.isprintable() and len(problem) < 400


@pytest.mark.parametrize(("question", "answer"), WHOLE_WAY)
def test_on_the_command_line_it_is_refused_and_leaves_nothing(command_line, question, answer):
    result = command_line.run("--no-input", f"{question}={answer}")
    assert result.exit_code == 1
    assert_refused(result.output, question)
    assert len(result.output.splitlines()) == 2
    assert command_line.left_behind() == set()


@pytest.mark.parametrize("question", BAD_ANSWERS)
@pytest.mark.parametrize("answer", ["{{ 1/0 }}", 'quite "impossible" \N{SNOWMAN} answer \\ ' + "x" * 60])
def test_at_the_prompt_it_is_refused_before_the_next_question(command_line, question, answer):
    number, all_of_them = questions.NAMES.index(question) + 1, len(questions.NAMES)
    result = command_line.run(typed="\n" * (number - 1) + answer + "\n")
    assert result.exit_code == 1
    assert f"[{number}/{all_of_them}]" in result.output
    assert f"[{number + 1}/{all_of_them}]" not in result.output
    assert_refused(result.output, question)
    assert command_line.left_behind() == set()


def test_a_choice_that_does_not_exist_is_refused_by_cookiecutter_itself(command_line):
    result = command_line.run("--no-input", "storage=nfs")
    assert isinstance(result.exception, ValueError) and "storage" in str(result.exception)
    assert command_line.left_behind() == set()


@pytest.mark.parametrize("value", ["{{", "{{ 1/0 }}", "{% include 'x' %}", "{{ cookiecutter.nothing }}"])
def test_jinja_in_an_answer_is_never_run(command_line, value):
    result = command_line.run("--no-input", f"project_name={value}")
    assert_refused(result.output, "project_name")
    assert value in result.output


def test_the_command_that_goes_on_keeps_the_other_answers_and_makes_the_project(command_line, monkeypatch, template):
    answers = {"project_name": "O'Brien's \"maps\" & $(id)", "project_slug": "obrien", "workspace": "prod"}
    words = [f"{name}={answer}" for name, answer in answers.items()]
    typed = ["/bin/cookiecutter", str(template), *command_line.places, "--no-input", *words, "owner=me"]
    monkeypatch.setattr(sys, "argv", typed)
    command = assert_refused(command_line.run("--no-input", *words, "owner=me").output, "owner")
    program, *rest = shlex.split(command)
    assert program == "cookiecutter" and "--no-input" not in rest and "owner=me" not in rest
    ran = subprocess.run(
        [sys.executable, "-m", "cookiecutter", *rest],
        input="\n" * len(questions.NAMES), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (command_line.output / "obrien" / "workspaces" / "prod.tfvars").is_file()
    assert json.dumps(answers["project_name"]) in (command_line.output / "obrien" / "invoke.yaml").read_text()


def test_in_a_real_terminal_the_bad_answer_ends_the_conversation(command_line, template):
    terminal, end_of_the_command = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", str(template), *command_line.places]
    ends = {"stdin": end_of_the_command, "stdout": end_of_the_command, "stderr": end_of_the_command}
    with subprocess.Popen(command, **ends, start_new_session=True) as process:
        os.close(end_of_the_command)
        os.write(terminal, b"\nNo Slug\n")
        said = b"".join(iter(lambda: _read(terminal), b"")).decode()
    os.close(terminal)
    assert process.returncode == 1
    assert "[2/13]" in said and "[3/13]" not in said
    resume = assert_refused(said, "project_slug")
    assert "-o" in resume and "'project_name=Datacube WMS'" in resume
    assert command_line.left_behind() == set()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end has been closed.
        return b""


REPLAYED_SLUGS = ("../escaped", "../../escaped", "..", ".", "", "a/b", "/tmp/escaped-slug", "Bad", "{{ 7*7 }}", 7, None)


@pytest.fixture
def replay(command_line):
    """Runs cookiecutter on the answers of an earlier, good run, with some of them changed."""
    assert command_line.run("--no-input").exit_code == 0
    good = json.loads(next(command_line.replays.iterdir()).read_text())
    before = command_line.left_behind()

    def run(**changed):
        file = command_line.folder / "answers.json"
        file.write_text(json.dumps({**good, "cookiecutter": {**good["cookiecutter"], **changed}}))
        result = command_line.run("--replay-file", str(file), "-f")
        # cookiecutter keeps a copy of each replay file, before anything of a template is looked at.
        return result, command_line.left_behind() - before - {"answers.json", "replays/answers.json"}

    return run


def test_good_answers_can_be_replayed(replay):
    result, left = replay(project_slug="again")
    assert result.exit_code == 0 and "a/b/out/again/invoke.yaml" in left


@pytest.mark.parametrize("slug", REPLAYED_SLUGS)
def test_a_replayed_slug_is_refused_before_its_folder_is_made(replay, slug):
    result, left = replay(project_slug=slug)
    assert result.exit_code == 1 and left == set()
    assert_refused(result.output, "project_slug")


@pytest.mark.parametrize("question", questions.NAMES)
def test_every_answer_is_checked_again_when_it_is_replayed(replay, question):
    result, left = replay(**{"project_slug": "again", question: "No {such} answer" + "!" * 60})
    assert result.exit_code == 1 and left == set()
    assert_refused(result.output, question)


def test_from_python_the_exception_says_it_all(bake):
    with pytest.raises(FailedHookException, match="account cannot be '12': it must be the 12 digits"):
        bake(account="12")
