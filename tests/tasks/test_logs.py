"""`logs.tail`, on the embedded AWS's CloudWatch."""

from __future__ import annotations

import time

import pytest
from invoke import Context, Exit

from tasks import logs, service


@pytest.fixture
def stack(aws, client, slug, monkeypatch):
    outputs = {
        "services": {name: {"service": f"{slug}-{name}", "log_group": f"/{slug}/apps/{name}"} for name in ("ows", "b")},
        "jobs": {
            "admin": {"container": "admin", "log_group": f"/{slug}/apps/jobs"},
            "nightly": {"container": "nightly", "log_group": f"/{slug}/apps/jobs"},
        },
    }
    cloudwatch, now = client("logs"), int(time.time() * 1000)
    for group, stream, line, ago in (
        ("ows", "ows/ows/1111aaaa2222", "GET /ping 200", 30),
        ("b", "b/b/2", "ERROR of b", 20),
        ("ows", "ows/ows/3", "[ERROR] \x1b[31mred\x1b[0m", 10),
        ("ows", "ows/ows/4", "old", 3600),
        ("jobs", "admin/admin/5", "indexed", 5),
        ("jobs", "nightly/nightly/6", "nightly", 5),
    ):
        name = f"/{slug}/apps/{group}"
        if not cloudwatch.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
            cloudwatch.create_log_group(logGroupName=name)
        cloudwatch.create_log_stream(logGroupName=name, logStreamName=stream)
        cloudwatch.put_log_events(
            logGroupName=name, logStreamName=stream, logEvents=[{"timestamp": now - ago * 1000, "message": line}]
        )
    made = service.Stack(aws, None, outputs)
    monkeypatch.setattr(logs, "deployed", lambda workspace, endpoint_from_env: made)
    return made


@pytest.fixture
def tail(stack, capsys):
    def call(**flags) -> tuple[int, list[str], str]:
        code = 0
        try:
            logs.tail(Context(), **flags)
        except Exit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return code, [line.partition(" ")[2] for line in out.splitlines()], err  # without the time

    return call


def test_all_services_in_the_order_of_time_each_line_with_its_service_and_task(tail):
    assert tail() == (0, ["ows 1111aaaa GET /ping 200", "b   2 ERROR of b", "ows 3 [ERROR] \x1b[31mred\x1b[0m"], "")


def test_one_service_a_pattern_and_further_back(tail):
    assert tail(service="b")[1] == ["b 2 ERROR of b"]
    assert [line.partition(" ")[0] for line in tail(filter="ERROR")[1]] == ["b", "ows"]
    assert tail(service="ows", since="2h")[1][0] == "ows 4 old"


def test_a_job_of_the_image_and_one_of_the_workspace(tail):
    assert tail(job="index")[1] == ["index 5 indexed"]
    assert tail(job="nightly")[1] == ["nightly 6 nightly"]


def test_silence_is_said(tail):
    code, out, err = tail(filter="nothing_like_it")
    assert (code, out) == (0, []) and "Nothing was said since 10m ago by ows, b." in err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"since": "yesterday"}, "--since 'yesterday': a number and s, m, h or d"),
        ({"since": "10"}, "for example 10m"),
        ({"service": "owls"}, "There is no service owls"),
        ({"job": "weekly"}, "There is no job weekly"),
        ({"job": "index", "service": "ows"}, "not both"),
    ],
)
def test_a_wrong_word_is_a_sentence(tail, flags, sentence):
    code, out, err = tail(**flags)
    assert (code, out) == (4, []) and sentence in err


def test_following_goes_on_until_it_is_interrupted_and_shows_what_comes(tail, client, slug, monkeypatch):
    looked = []

    def pause(seconds):
        looked.append(seconds)
        if len(looked) == 2:
            raise KeyboardInterrupt
        client("logs").put_log_events(
            logGroupName=f"/{slug}/apps/b",
            logStreamName="b/b/2",
            logEvents=[{"timestamp": int(time.time() * 1000), "message": "later"}],
        )

    monkeypatch.setattr(logs.time, "sleep", pause)
    code, out, _ = tail(service="b", follow=True)
    assert (code, out) == (130, ["b 2 ERROR of b", "b 2 later"])
