"""Why a deployment does not come to its end: what its tasks, its targets and ECS say. AWS's answers are canned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canned_aws import CannedAws, definition, events, task
from canned_services import NEW, NEW_RUNS, NEW_STARTS, OLD, OLD_RUNS, START, deployment, service
from tasks.core import ecs_tasks
from tasks.core.console import TookTooLong, WentWrong
from tasks.core.service_deployments import RolledBack

pytestmark = pytest.mark.usefixtures("no_pauses")
PASSWORD = 'connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "wms"'
AWAY = "server closed the connection unexpectedly"
BEHIND = {"loadBalancers": [{"targetGroupArn": "arn:tg"}]}


def failing(**more) -> dict:
    """A task of the new revision that has ended, and what it said."""
    return {
        "list_tasks": lambda desiredStatus, **_: {"taskArns": ["a"] if desiredStatus == "STOPPED" else []},
        "describe_tasks": {
            "tasks": [
                task(
                    definition=NEW,
                    exit_code=3,
                    reason="",
                    stopCode="EssentialContainerExited",
                    stoppedReason="Essential container in task exited",
                    createdAt=START + timedelta(minutes=3),
                    **more,
                )
            ]
        },
        "describe_task_definition": definition(),
        "get_log_events": events("starting", PASSWORD),
    }


def targets(*states: str) -> dict:
    said = {
        "unhealthy": {"Reason": "Target.ResponseCodeMismatch", "Description": "Health checks failed with these codes: [500]"}
    }
    return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state, **said.get(state, {})}} for state in states]}


def test_a_roll_back_tells_why_the_task_ended_what_it_said_last_and_what_to_run(followed):
    with pytest.raises(WentWrong) as wrong:
        followed(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", OLD, "COMPLETED", running=2)), **failing())
    said = wrong.value.message
    assert "small-ows:2 failed and small-ows:1 is in its place" in said
    assert "The database refuses the password of wms" in said
    assert "Essential container in task exited; exit code 3" in said and PASSWORD in said
    assert wrong.value.run == "invoke service.run init-db"


@pytest.mark.parametrize(("said", "cause", "run"), [
    ({1: AWAY, 2: AWAY, 3: PASSWORD}, "refuses the password of wms", "invoke service.run init-db"),
    ({1: AWAY, 2: "no match", 3: "no match"}, "Task 3 stopped|The task stopped", "invoke logs.tail"),
], ids=["the newest tells", "an earlier one does not"])
def test_a_roll_back_that_was_over_before_anybody_looked_is_told_by_its_own_tasks_newest_first(followed, said, cause, run):
    """The first task ran the same revision before, and ended for a reason that is no more."""
    canned = failing()
    canned["describe_tasks"]["tasks"] = [
        {**canned["describe_tasks"]["tasks"][0], "taskArn": f"arn:aws:ecs:r:0:task/small/{minute}",
         "createdAt": START + timedelta(minutes=minute)} for minute in said]
    canned["get_log_events"] = lambda logStreamName, **_: events(said[int(logStreamName[-1])])()
    over = RolledBack("arn:d-2", begun=START + timedelta(minutes=2))
    with pytest.raises(WentWrong, match=cause) as wrong:
        followed(service(deployment("d-3", NEW, "COMPLETED", running=2)), over=over, **canned)
    assert wrong.value.run == run and "went away" not in wrong.value.message


def test_a_task_that_ends_badly_is_told_once_and_while_it_happens(followed):
    told: list[str] = []
    followed(service(NEW_STARTS, OLD_RUNS), service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), say=told.append, **failing())
    assert told == [
        "task 11111111 ended: The database refuses the password of wms: it is not the one in the parameter store."
    ]


def test_last_lines_that_come_late_are_read_again_before_it_is_called_wrong(followed):
    """The scheduler took the task away while it still spoke: at first only ECS's reason is known."""
    canned, early, told = failing(), iter([events("starting")] * 2), []
    canned["get_log_events"] = lambda **arguments: next(early, events("starting", PASSWORD))(**arguments)
    canned["describe_tasks"]["tasks"][0].update(stoppedReason="Task failed ELB health checks in (target-group x)")
    canned["describe_tasks"]["tasks"][0]["containers"][0].pop("exitCode")
    with pytest.raises(WentWrong, match="The database refuses the password of wms") as wrong:
        followed(service(NEW_STARTS, OLD_RUNS), service(OLD_RUNS), say=told.append, **canned)
    assert wrong.value.run == "invoke service.run init-db"
    assert ["password" in each for each in told] == [False, True]


def test_of_two_vague_words_one_is_said(followed):
    canned = failing()
    canned["get_log_events"] = events("starting")
    canned["describe_tasks"]["tasks"][0].update(stoppedReason="Task failed ELB health checks in (target-group x)")
    with pytest.raises(WentWrong) as wrong:
        followed(service(NEW_STARTS, OLD_RUNS), service(OLD_RUNS, events=("(reason Request timed out)",)), **canned)
    assert wrong.value.message.count("The health path") == 1


def said_by(local, now: tuple[str, ...], as_it_started: tuple[str, ...]):
    aws = CannedAws(
        local,
        filter_log_events={"events": [{**each, "logStreamName": "ows/ows/1"} for each in events(*now)()["events"]]},
        list_tasks={"taskArns": ["a"]},
        describe_tasks={"tasks": [task(status="RUNNING")]},
        describe_task_definition=definition(),
        get_log_events=events(*as_it_started),
    )
    found = ecs_tasks.complaint(aws, "small", {"service": "ows", "log_group": "/small/apps/ows"}, 1767225600)
    assert aws.calls("filter_log_events")[0]["startTime"] == 1767225600000
    return found and found.run


def test_what_tasks_say_of_a_request_counts_more_than_what_they_said_as_they_started(local, monkeypatch):
    monkeypatch.setattr(ecs_tasks, "LATE", 0)
    ranges, down = "Layer scene is ready but no ranges are available.", "server closed the connection unexpectedly"
    assert said_by(local, (ranges,), (down,)) == "invoke service.run ranges"
    assert said_by(local, ("GET /ping 200",), (ranges,)) == "invoke service.run ranges"
    assert said_by(local, (), ("started",)) is None


@pytest.mark.parametrize("old", [{"definition": OLD}, {"createdAt": START}])
def test_tasks_of_another_deployment_are_not_blamed(followed, old):
    canned = failing()
    canned["describe_tasks"]["tasks"][0].update(
        {"taskDefinitionArn" if "definition" in old else "createdAt": next(iter(old.values()))}
    )
    with pytest.raises(WentWrong) as wrong:
        followed(service(deployment("d-2", NEW, "FAILED", rolloutStateReason="ECS gave it up"), OLD_RUNS), **canned)
    assert "password" not in wrong.value.message and "ECS gave it up" in wrong.value.message


def test_a_task_that_ecs_takes_away_is_no_failure(followed):
    canned = failing()
    canned["describe_tasks"]["tasks"][0].update(stopCode="ServiceSchedulerInitiated", stoppedReason="Scaling activity")
    told: list[str] = []
    followed(service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), say=told.append, **canned)
    assert told == []


def test_a_failing_health_path_is_told_with_its_code_where_the_log_says_nothing(followed):
    with pytest.raises(WentWrong, match=r"The health path answers with code 500\.") as wrong:
        followed(service(deployment("d-2", NEW, "FAILED"), OLD_RUNS, **BEHIND), describe_target_health=targets("unhealthy"))
    assert wrong.value.run == "invoke logs.tail"


def test_a_first_deployment_that_failed_has_nothing_to_go_back_to(followed):
    with pytest.raises(WentWrong, match="there is no earlier deployment to go back to"):
        followed(service(deployment("d-2", NEW, "FAILED")))


def test_completed_with_a_target_that_fails_is_not_deployed(followed):
    done = service(NEW_RUNS, **BEHIND)
    found = followed(
        done,
        done,
        done,
        describe_target_health=[
            targets("healthy", "unhealthy"),
            targets("initial", "healthy"),
            targets("healthy", "healthy", "draining"),
        ],
    )
    assert (found.health.healthy, found.health.unhealthy) == (2, 0)


def test_tasks_that_keep_ending_after_ecs_called_it_completed_are_wrong_long_before_the_time_is_up(followed):
    """The circuit breaker counts no more then: ECS would start new tasks for ever."""
    canned = failing()
    tasks = [
        {**canned["describe_tasks"]["tasks"][0], "taskArn": f"arn:aws:ecs:r:0:task/small/{number}"} for number in range(4)
    ]
    canned["describe_tasks"] = [{"tasks": tasks[:seen]} for seen in range(1, 5)]
    with pytest.raises(WentWrong, match="was deployed, but its tasks keep ending.*password"):
        followed(service(deployment("d-2", NEW, "COMPLETED", running=1)), **canned)


def test_too_long_says_what_the_running_tasks_say(followed):
    """Nothing has ended yet: the grace period is long, and the server answers 500 all the time."""
    canned = failing()
    canned["list_tasks"] = lambda desiredStatus, **_: {"taskArns": ["a"] if desiredStatus == "RUNNING" else []}
    canned["describe_tasks"]["tasks"][0].update(lastStatus="RUNNING", stopCode="", stoppedReason="")
    with pytest.raises(TookTooLong, match="refuses the password of wms") as late:
        followed(service(deployment("d-2", NEW, running=2), OLD_RUNS), limit=0, **canned)
    assert late.value.run == "invoke service.run init-db"
