"""The tasks for people who work on the template: what they run."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture
def run(template, monkeypatch):
    """`run("faults", moments=3)`: the files that the task gives to pytest, and its environment."""
    spec = importlib.util.spec_from_file_location("own_tasks", template / "tasks.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)

    def act(name: str, **options) -> tuple[list[str], dict[str, str]]:
        ran = []
        monkeypatch.setattr(own, "_must", lambda command, **environment: ran.append((command, environment)))
        getattr(own, name).body(None, **options)
        [(command, environment)] = ran
        tests = f"{template}/tests/"
        return [each.removeprefix(tests) for each in command if each.startswith(tests)], environment

    return act


def test_faults_takes_away_each_permission_too_after_the_table(run):
    files, environment = run("faults")
    assert files[0] == "faults" and "stack/test_permissions.py" in files
    assert int(environment["FAULT_MOMENTS"]) > 2, "test_permissions.py takes a sample otherwise"


@pytest.mark.parametrize("only", [{"phase": "apply"}, {"fault": "kill"}])
def test_one_phase_or_fault_is_that_alone(run, only):
    assert run("faults", **only)[0] == ["faults"]
