"""Consent by the environment's name: typed, given, and never guessed."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from tasks.core import consent
from tasks.core.console import Refused


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def ask(local, monkeypatch):
    """`ask("maps-prod", workspace="prod")`: the answer to what is asked, or --confirm."""

    def asked(typed: str | None = None, confirm: str = "", workspace: str = "local") -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("local\n") if typed is None else Keyboard(f"{typed}\n"))
        names = consent.names_of(replace(local, workspace=workspace))
        consent.typed(names, confirm, "destroy it", "invoke it --confirm x")

    return asked


def test_the_name_may_be_typed_or_given(ask, slug):
    ask(typed="local")
    ask(typed=f"{slug}-local")
    ask(confirm=f"{slug}-prod", workspace="prod")


@pytest.mark.parametrize("answer", ["", "y", "yes", "prod", "LOCAL"])
def test_nothing_else_will_do(ask, answer):
    with pytest.raises(Refused, match="Nothing was changed: to destroy it, "):
        ask(typed=answer, workspace="prod")
    with pytest.raises(Refused) as refused:
        ask(typed="local", confirm=answer or "other", workspace="prod")
    assert refused.value.run == "invoke it --confirm x"


def test_outside_local_the_workspaces_name_alone_will_not_do(ask, slug):
    with pytest.raises(Refused, match=f"{slug}-prod"):
        ask(typed="prod", workspace="prod")


def test_what_is_piped_is_no_consent(ask):
    with pytest.raises(Refused):
        ask()


def test_the_question_says_what_to_type_and_what_for(ask, capsys):
    ask(typed="local")
    assert capsys.readouterr().err == "Type local to destroy it: "
