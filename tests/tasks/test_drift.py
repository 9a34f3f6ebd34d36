"""`drift` as a person and a program see it; what it finds is that of tests/stack."""

from __future__ import annotations

import json

import pytest
from invoke import Context, Exit

from tasks import drift
from tasks.core.drift import HIDDEN, Difference, Pending

CHANGED = Difference("aws_cloudwatch_log_group.dmesg", "changed", "retention_in_days", 30, 7)


@pytest.fixture
def call(aws, monkeypatch, capsys):
    """`call([Difference(…)], json=True)`: exit code, stdout, stderr of the task that has found this."""

    def called(differences=(), pending=(), **flags):
        monkeypatch.setattr(drift.project, "load", lambda workspace: aws.settings)
        monkeypatch.setattr(drift, "look", lambda session: (list(differences), list(pending)))
        try:
            drift.drift(Context(), **flags)
            code = 0
        except Exit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return called


def test_no_difference_is_0(call):
    assert call() == (0, "The account is as the state has it.\n", "")


def test_a_difference_is_2_in_both_forms(call):
    code, out, err = call([CHANGED])
    assert code == 2 and "retention_in_days is 7, was 30" in out and "1 difference between" in out
    assert "invoke deploy" in err and "extra" not in err
    code, out, _ = call([CHANGED], json=True)
    assert code == 2 and json.loads(out)["drift"] == [
        {"address": CHANGED.address, "what": "changed", "attribute": "retention_in_days", "state": 30, "account": 7}]


def test_pending_changes_alone_are_0_and_told(call):
    code, out, err = call(pending=[Pending(f"a.b{number}", "update") for number in range(7)])
    assert code == 0 and out == "The account is as the state has it.\n"
    assert "Not applied yet (invoke plan shows it): a.b0 (update), " in err and "a.b4 (update) and 2 more." in err


def test_what_no_apply_takes_away_is_said_so(call):
    code, out, err = call([Difference("aws_iam_role.task", "extra", "policy Admin", account="arn")])
    assert code == 2 and "policy Admin: arn" in out and "no apply takes it away" in err and "invoke deploy" not in err


@pytest.mark.parametrize(("state", "account", "said"), [
    (None, "x" * 500, "x" * 120 + "…, was empty"),
    ({"a": [1]}, "", 'value is empty, was {"a": [1]}'),
    (HIDDEN, HIDDEN, "value has changed (sensitive)"),
    (True, 0, "value is 0, was true"),
], ids=["long", "map", "sensitive", "falsy"])  # fmt: skip
def test_values_are_told_in_one_line(state, account, said):
    assert said in drift._said(Difference("a.b", "changed", "value", state, account))
