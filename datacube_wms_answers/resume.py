"""The command that goes on from the answers given so far."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from . import questions

# What would take the answers from elsewhere, or without asking: the next run asks.
_FLAGS_DROPPED = ("--no-input", "-y", "--replay")
_OPTIONS_DROPPED = ("--replay-file", "--extra-context", "--extra-context-file")


def command(answers: dict[str, str], refused: str, argv: Sequence[str] | None = None) -> str:
    """The user's own command line again, with `answers` in place of those that it held.

    Answers that it gives to later questions are kept; `refused` is left out, so it is asked again. Called
    from Python, where there is no command line, it names the template by its folder.
    """
    program, words = _command_line(sys.argv if argv is None else argv)
    if program == "cruft" and words[:1] != ["create"]:
        return "cruft update --cookiecutter-input"
    words, given = _without_answers(words)
    given.pop(refused, None)
    merged = {**given, **answers}
    ordered = {name: merged[name] for name in questions.NAMES if name in merged}
    if program == "cruft":
        return shlex.join([program, *words, "--extra-context", json.dumps(ordered, ensure_ascii=False)])
    return shlex.join([program, *words, *(f"{name}={answer}" for name, answer in ordered.items())])


def _command_line(argv: Sequence[str]) -> tuple[str, list[str]]:
    called = Path(argv[0]) if argv else Path()
    program = called.parent.name if called.stem == "__main__" else called.stem
    if program in ("cookiecutter", "cruft"):
        return program, list(argv[1:])
    return "cookiecutter", [str(questions.TEMPLATE)]


def _without_answers(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split a command line into the words that are no answers, and the answers."""
    kept: list[str] = []
    given: dict[str, str] = {}
    remaining = iter(words)
    for word in remaining:
        name, equals, value = word.partition("=")
        if name in questions.NAMES and equals:
            given[name] = value
        elif name in _OPTIONS_DROPPED:
            given.update(_answers_in_json(value if equals else next(remaining, "")))
        elif word not in _FLAGS_DROPPED:
            kept.append(word)
    return kept, given


def _answers_in_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
