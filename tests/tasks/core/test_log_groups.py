"""Reading what containers said, from the embedded AWS's CloudWatch; pages and throttling, which it knows not, are canned."""

from __future__ import annotations

import time

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import log_groups

NOW = int(time.time() * 1000)


@pytest.fixture
def write(client, slug):
    """`write("stream", "line", …, at=-5)` into this test's log group, seconds from now; answers the group."""
    logs, group = client("logs"), f"/{slug}/apps/ows"
    logs.create_log_group(logGroupName=group)

    def put(stream: str, *lines: str, at: float = 0, to: str = group) -> str:
        found = logs.describe_log_streams(logGroupName=to, logStreamNamePrefix=stream)["logStreams"]
        if not found:
            logs.create_log_stream(logGroupName=to, logStreamName=stream)
        moment = NOW + int(at * 1000)
        logs.put_log_events(
            logGroupName=to,
            logStreamName=stream,
            logEvents=[{"timestamp": moment + number, "message": line} for number, line in enumerate(lines)],
        )
        return to

    put.group = group
    return put


def test_the_first_and_the_last_lines_of_a_container(aws, write):
    group = write("ows/ows/1", *(f"line {number}" for number in range(30)))
    assert log_groups.last(aws, group, "ows/ows/1", count=3) == ["line 27", "line 28", "line 29"]
    assert log_groups.first(aws, group, "ows/ows/1", count=3) == ["line 0", "line 1", "line 2"]


@pytest.mark.parametrize("missing", ["group", "stream"])
def test_a_container_that_has_said_nothing_yet_is_no_error(aws, write, missing):
    place = ("/none", "x") if missing == "group" else (write.group, "ows/ows/none")
    assert log_groups.last(aws, *place) == []
    assert log_groups.Stream(aws, *place).read() == []


def test_a_stream_is_read_on_from_where_it_was_left(aws, write):
    write("ows/ows/1", "one", "two")
    stream = log_groups.Stream(aws, write.group, "ows/ows/1")
    assert stream.read() == ["one", "two"]
    assert stream.read() == []
    write("ows/ows/1", "three", at=1)
    assert stream.read() == ["three"]


def test_several_groups_are_told_in_the_order_of_time_and_nothing_twice(aws, write, client, slug):
    other = f"/{slug}/apps/other"
    client("logs").create_log_group(logGroupName=other)
    write("ows/ows/1", "first", at=-30)
    write("other/other/2", "second", at=-20, to=other)
    write("ows/ows/3", "third", at=-10)
    tail = log_groups.Tail(aws, (write.group, other), NOW - 60_000)
    assert [(line.text, line.group, line.task) for line in tail.read()] == [
        ("first", write.group, "1"),
        ("second", other, "2"),
        ("third", write.group, "3"),
    ]
    assert tail.read() == []
    write("ows/ows/1", "late, and out of order", at=-12)
    assert [line.text for line in tail.read()] == ["late, and out of order"]


def test_a_group_that_lags_behind_another_loses_nothing(aws, write, client, slug):
    """RDS brings the database's lines a minute after they were written."""
    database = f"/{slug}/rds"
    client("logs").create_log_group(logGroupName=database)
    tail = log_groups.Tail(aws, (write.group, database), NOW - 120_000)
    write("ows/ows/1", "a request", at=0)
    assert [line.text for line in tail.read()] == ["a request"]
    write("db", "its query", at=-60, to=database)
    assert [line.text for line in tail.read()] == ["its query"]
    assert tail.read() == []


def test_only_since_then_only_what_matches_and_only_of_these_streams(aws, write):
    write("ows/ows/1", "old ERROR", at=-600)
    write("ows/ows/1", "new ERROR", "new and fine", at=-5)
    write("admin/admin/2", "ERROR of a job", at=-5)

    def told(**more) -> list[str]:
        return [line.text for line in log_groups.Tail(aws, (write.group,), NOW - 60_000, **more).read()]

    assert told() == ["new ERROR", "ERROR of a job", "new and fine"] or sorted(told()) == [
        "ERROR of a job",
        "new ERROR",
        "new and fine",
    ]
    assert sorted(told(pattern="ERROR")) == ["ERROR of a job", "new ERROR"]
    assert told(prefix="admin/") == ["ERROR of a job"]


def test_more_than_one_call_may_give_is_read_to_its_end(aws, write):
    """The embedded AWS cuts an answer at 10,000 events and gives no token for the rest; AWS does give one (below)."""
    for start in range(0, 12_000, 3_000):
        write("ows/ows/1", *(f"{number}" for number in range(start, start + 3_000)), at=-60 + start / 1000)
    told = [line.text for line in log_groups.Tail(aws, (write.group,), NOW - 120_000).read()]
    assert len(told) == 12_000 and told == sorted(told, key=int)


def test_an_empty_page_is_not_the_end(local):
    """CloudWatch gives empty pages with a token while it searches."""
    event = {"eventId": "1", "timestamp": NOW, "message": "found\n", "logStreamName": "s"}
    aws = CannedAws(
        local, filter_log_events=[{"events": [], "nextToken": "a"}, {"events": [], "nextToken": "b"}, {"events": [event]}]
    )
    assert [found["message"] for found in log_groups.search(aws, "g", 0)] == ["found\n"]
    assert [call.get("nextToken") for call in aws.calls("filter_log_events")] == [None, "a", "b"]


def test_a_page_may_hold_less_than_there_is(local):
    def page(*lines: str, token: str) -> dict:
        return {"events": [{"message": line} for line in lines], "nextForwardToken": token}

    aws = CannedAws(local, get_log_events=[page("a", token="1"), page(token="2"), page("b", token="3"), page(token="3")])
    assert log_groups.Stream(aws, "g", "s").read() == ["a", "b"]


def test_being_asked_too_often_is_waited_out(local, monkeypatch):
    paused: list[float] = []
    monkeypatch.setattr(log_groups.time, "sleep", paused.append)
    aws = CannedAws(
        local,
        get_log_events=[
            refusal("ThrottlingException"),
            refusal("ThrottlingException"),
            {"events": [{"message": "at last"}]},
        ],
    )
    assert log_groups.last(aws, "g", "s") == ["at last"]
    assert paused == [1, 2]


def test_what_is_refused_stays_refused(local):
    with pytest.raises(Exception, match="AccessDenied"):
        log_groups.last(CannedAws(local, get_log_events=refusal("AccessDeniedException")), "g", "s")
