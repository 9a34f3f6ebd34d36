"""`logs.tail`, on the embedded AWS's CloudWatch, and its ECS that records tasks."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest
from invoke import Context, Exit

from tasks import logs, service


@pytest.fixture
def stack(aws, client, slug, monkeypatch):
    ecs = client("ecs")
    ecs.create_cluster(clusterName=slug)
    ecs.register_task_definition(
        family=f"{slug}-job-admin", containerDefinitions=[{"name": "admin", "image": "i", "memory": 8}]
    )
    ran = {job: started(ecs, slug, job) for job in ("index", "ranges")}
    outputs = {
        "cluster": slug,
        "services": {name: {"service": f"{slug}-{name}", "log_group": f"/{slug}/apps/{name}"} for name in ("ows", "b")},
        "log_groups": [f"/{slug}/apps/ows", f"/{slug}/apps/b", f"/{slug}/apps/jobs", f"/{slug}/var/log/messages"],
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
        ("jobs", f"admin/admin/{ran['ranges']}", "spanned", 8),
        ("jobs", f"admin/admin/{ran['index']}", "indexed", 7),
        ("jobs", "admin/admin/5", "of yesterday", 6),
        ("jobs", "nightly/nightly/6", "nightly", 5),
        ("messages", f"{slug}/i-0123456789", "the disk is full", 4),
    ):
        name = f"/{slug}/var/log/messages" if group == "messages" else f"/{slug}/apps/{group}"
        if not cloudwatch.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
            cloudwatch.create_log_group(logGroupName=name)
        cloudwatch.create_log_stream(logGroupName=name, logStreamName=stream)
        cloudwatch.put_log_events(
            logGroupName=name, logStreamName=stream, logEvents=[{"timestamp": now - ago * 1000, "message": line}]
        )
    made = service.Stack(aws, None, outputs)
    monkeypatch.setattr(logs, "deployed", lambda workspace, endpoint_from_env: made)
    return made


def started(ecs, cluster: str, job: str) -> str:
    """A task that runs one of the image's jobs; answers its id."""
    override = {"name": "admin", "command": ["python3", "-m", "ows_jobs", job]}
    made = ecs.run_task(
        cluster=cluster, taskDefinition=f"{cluster}-job-admin", overrides={"containerOverrides": [override]}
    )
    return made["tasks"][0]["taskArn"].rpartition("/")[2]


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


def names_and_words(lines: list[str]) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split(maxsplit=2)[2]) for line in lines]


def test_a_job_of_the_image_is_told_from_the_others_as_long_as_ecs_knows_its_task(tail):
    """All of them write to one log; what an unknown task has said may be the wanted job's, and is not called so."""
    assert names_and_words(tail(job="index")[1]) == [("index", "indexed"), ("admin", "of yesterday")]
    assert names_and_words(tail(job="ranges")[1]) == [("ranges", "spanned"), ("admin", "of yesterday")]
    everything = [("ranges", "spanned"), ("index", "indexed"), ("admin", "of yesterday")]
    assert names_and_words(tail(job="admin")[1]) == everything


def test_a_job_of_the_workspace_has_a_log_of_its_own(tail):
    assert tail(job="nightly")[1] == ["nightly 6 nightly"]


def test_log_groups_by_their_names_or_the_ends_of_them_each_once(tail, slug):
    said = ["b 2 ERROR of b", "messages i-012345 the disk is full"]
    assert [" ".join(line.split()) for line in tail(group=["messages", f"/{slug}/apps/b", "var/log/messages"])[1]] == said


def test_one_object_with_each_line(stack, capsys):
    logs.tail(Context(), service="ows", json=True)
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["schema", "workspace", "account", "region", "lines"]
    first, second = said["lines"]
    assert datetime.fromisoformat(first.pop("at")).utcoffset().total_seconds() == 0
    assert first == {"service": "ows", "task": "1111aaaa2222", "message": "GET /ping 200"}
    assert second["message"] == "[ERROR] \x1b[31mred\x1b[0m"
    logs.tail(Context(), service="ows", filter="nothing_like_it", json=True)
    assert json.loads(capsys.readouterr().out)["lines"] == []


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
        ({"group": ["dmesg"]}, "dmesg is no log group of this deployment (there are: /"),
        ({"group": ["ssages"]}, "ssages is no log group"),
        ({"group": ["messages"], "job": "index"}, "not several of these"),
        ({"follow": True, "json": True}, "--json is one object and --follow has no end"),
    ],
)
def test_a_wrong_word_is_a_sentence(tail, flags, sentence):
    code, out, err = tail(**flags)
    assert code == 4 and sentence in err and len(out) == ("json" in flags)


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
