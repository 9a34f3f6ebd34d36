"""What is shown while a deployment is waited for: a line when something changes, a live table on a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from tasks.core import watch
from tasks.core.containers import Deployment, Service
from tasks.core.targets import Health

MADE = Deployment("d-2", "arn:small-ows:2", "IN_PROGRESS", "", desired=2, running=0, failed=0)
SERVICE = Service("ows", "ACTIVE", 2, 2, (MADE,), ())


def test_a_line_for_each_change_and_none_for_the_same_again(capsys):
    with watch.shown() as (on_progress, on_say):
        on_progress(SERVICE)
        on_progress(SERVICE)
        on_say("has started 2 tasks")
        on_progress(replace(SERVICE, deployments=(replace(MADE, running=2),), health=Health(1, 1)))
        on_progress(replace(SERVICE, deployments=(replace(MADE, running=2, state="COMPLETED"),), health=Health(2, 0)))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "ows: in progress, 0 of 2 tasks run",
        "has started 2 tasks",
        "ows: in progress, 2 of 2 tasks run, 1 of 2 targets healthy",
        "ows: completed, 2 of 2 tasks run, 2 of 2 targets healthy",
    ]


def test_a_service_without_a_deployment_can_be_shown(capsys):
    with watch.shown() as (on_progress, _):
        on_progress(replace(SERVICE, deployments=()))
    assert capsys.readouterr().err == "ows: none, 2 of 2 tasks run\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_table_gives_way_to_the_last_word(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with watch.shown() as (on_progress, on_say):
        on_progress(SERVICE)
        on_say("has [started] 2 tasks")
        on_progress(replace(SERVICE, deployments=(replace(MADE, running=2, state="COMPLETED"),), health=Health(2, 0)))
    shown = terminal.getvalue()
    assert "deployment" in shown and "has [started] 2 tasks" in shown
    assert shown.rstrip().endswith("ows: completed, 2 of 2 tasks run, 2 of 2 targets healthy")
