"""Two people on one workspace, each with a checkout: one wins, the other is told who works since when, nothing is lost."""

from __future__ import annotations

import shutil

import pytest

from driven_project import Project


@pytest.fixture
def colleague(stack, tmp_path) -> Project:
    """A second checkout that reaches the same account."""
    folder = tmp_path / "colleague"
    shutil.copytree(stack.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("aws", "runs", "plans", "roots"))
    return Project(folder, {**stack.environment, "AWS_ENDPOINT_URL": stack.endpoint})


def begun(event: dict) -> bool:
    return event.get("type") == "apply_start" and event["hook"]["action"] in ("update", "delete")


def test_while_one_applies_nobody_else_changes_anything(stack, colleague):
    for project in (stack, colleague):
        project.edit("db_storage", "25")  # the provider waits for over a minute
        project.must("plan")
    applying = stack.begin("apply", "--yes")
    stack.wait_for_event(begun)
    for words in (("apply", "--yes"), ("destroy", "-w", "local", "--confirm", "local"), ("plan",), ("deploy", "--yes")):
        refused = colleague.invoke(*words)
        assert applying.poll() is None, "The apply was over too early to be in anybody's way."
        assert refused.code == 3 and "Somebody else holds the state's lock" in refused.err, refused.err
        assert "Who: " in refused.err and "Created: 20" in refused.err
    _, said = applying.communicate(timeout=300)
    assert applying.returncode == 0, said
    stack.require_clean()
    colleague.require_clean()


def test_while_one_destroys_nobody_applies(stack, colleague):
    colleague.edit("log_retention_days", "3")
    colleague.must("plan")
    destroying = stack.begin("destroy", "-w", "local", "--confirm", "local")
    stack.wait_for_event(begun)
    refused = colleague.invoke("apply", "--yes")
    assert destroying.poll() is None and refused.code == 3 and "Somebody else holds the state's lock" in refused.err
    _, said = destroying.communicate(timeout=300)
    assert destroying.returncode == 0, said
    stale = colleague.invoke("apply", "--yes")
    assert stale.code == 1 and "stale" in stale.err.lower()


def test_of_two_who_apply_their_own_plans_the_second_is_told_that_his_is_stale(stack, colleague):
    for project, days in ((stack, "3"), (colleague, "5")):
        project.edit("log_retention_days", days)
        project.must("plan")
    stack.must("apply", "--yes")
    stale = colleague.invoke("apply", "--yes")
    assert stale.code == 1 and "stale" in stale.err.lower()
    assert {group["retentionInDays"] for group in stack.client("logs").describe_log_groups(
        logGroupNamePrefix="/datacube-wms-local/")["logGroups"]} == {3}
