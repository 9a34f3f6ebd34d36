"""How far an apply is: done of all, and what is waited for since when."""

from __future__ import annotations

import pytest

from tasks.core import progress
from tasks.core.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: `clock.now += 5`."""

    class Clock:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def event(kind: str, address: str = "a.b", action: str = "create", seconds: int = 0) -> dict:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action, "elapsed_seconds": seconds}}


def test_each_finished_resource_is_counted_and_told_once(clock):
    shown = Progress(total=12)
    assert shown.feed(event("apply_start")) is None
    assert shown.feed(event("apply_complete", seconds=3)) == "[ 1/12] a.b created after 3 s"
    assert shown.feed(event("apply_complete", action="update")) == "[ 2/12] a.b changed"
    assert shown.feed(event("apply_complete", action="delete")) == "[ 3/12] a.b destroyed"
    assert shown.feed(event("apply_errored")) == "[ 3/12] a.b failed"


def test_what_is_only_read_is_no_progress(clock):
    shown = Progress(total=1)
    for kind in ("apply_start", "apply_complete"):
        assert shown.feed(event(kind, action="read")) is None
    assert (shown.done, shown.waiting) == (0, {})


def test_events_that_tell_of_no_resource_are_nothing(clock):
    shown = Progress(total=1)
    for other in (
        {"type": "version"},
        {"type": "diagnostic", "diagnostic": {}},
        {},
        {"type": "change_summary", "changes": {}},
    ):
        assert shown.feed(other) is None
    assert shown.waits() == "working"


def test_what_is_waited_for_comes_longest_first_with_its_seconds(clock):
    shown = Progress(total=9)
    for name in "abcde":
        shown.feed(event("apply_start", name))
        clock.now += 10
    shown.feed(event("apply_complete", "b"))
    assert shown.waits() == "waiting for a 50 s, c 30 s, d 20 s and 1 more"


def test_a_run_that_is_found_again_has_waited_longer_than_we_have_watched(clock):
    shown = Progress(total=1)
    shown.feed(event("apply_start"))
    shown.feed(event("apply_progress", seconds=600))
    assert shown.waits() == "waiting for a.b 600 s"


def test_more_done_than_planned_never_reads_as_more_than_all(clock):
    shown = Progress(total=0)
    shown.feed(event("apply_complete"))
    assert shown.counter == "[1/1]"


def test_without_a_terminal_silence_is_broken_now_and_then(clock, capsys):
    shown = Progress(total=2)
    with progress.shown(shown) as (on_event, tick):
        on_event(event("apply_start"))
        tick()
        assert capsys.readouterr().err == ""
        clock.now += progress.QUIET + 1
        tick()
        tick()
        assert capsys.readouterr().err == "[0/2] waiting for a.b 31 s\n"
        on_event(event("apply_complete", "module.x[\"[bold]\"].y"))
        assert capsys.readouterr().err == "[1/2] module.x[\"[bold]\"].y created\n"
    assert capsys.readouterr().out == ""
