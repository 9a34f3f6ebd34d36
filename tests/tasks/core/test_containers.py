"""Is what was just deployed really what runs? AWS's answers are canned here: a rollback cannot be asked for, nor a target
that fails, nor a task that ends as one pleases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws, definition, events, task
from tasks.core import containers, ecs_tasks
from tasks.core.console import TookTooLong, WentWrong
from tasks.core.service_deployments import RolledBack

OLD, NEW, NEWER = (f"arn:aws:ecs:ap-southeast-2:000000000000:task-definition/small-ows:{number}" for number in (1, 2, 3))
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def deployment(
    id: str, definition: str, state: str | None = "IN_PROGRESS", running: int = 0, desired: int = 2, **more
) -> dict:
    """As DescribeServices tells of it; the number in the id is its time."""
    known = {"rolloutState": state} if state else {}
    return {
        "id": id,
        "taskDefinition": definition,
        "runningCount": running,
        "desiredCount": desired,
        "createdAt": START + timedelta(minutes=int(id[-1])),
        **known,
        **more,
    }


def service(*deployments: dict, status: str = "ACTIVE", events: tuple[str, ...] = (), **more) -> dict:
    return {
        "serviceName": "ows",
        "status": status,
        "desiredCount": 2,
        "runningCount": sum(d["runningCount"] for d in deployments),
        "deployments": list(deployments),
        "events": [{"message": message} for message in events],
        **more,
    }


OLD_RUNS = deployment("d-1", OLD, "COMPLETED", running=2)
NEW_STARTS = deployment("d-2", NEW)
NEW_RUNS = deployment("d-2", NEW, "COMPLETED", running=2)


def answers(*services: dict | None) -> list[dict]:
    return [{"services": [each] if each else []} for each in services]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(ecs_tasks.time, "sleep", lambda seconds: None)


@pytest.fixture
def wait(local):
    def until_deployed(
        *story: dict | None, limit: float = 60, tell=lambda service: None, say=lambda text: None, id=None, over=None,
        **canned,
    ):
        aws = CannedAws(local, describe_services=answers(*story), **canned)
        following = containers.Following(aws, "small", "ows", NEW, id, say, over)
        return containers.wait_for_all([following], tell, limit, poll=0)[0]

    return until_deployed


def test_a_deployment_is_followed_until_it_is_completed(wait):
    found = wait(service(NEW_STARTS, OLD_RUNS), service(deployment("d-2", NEW, running=1), OLD_RUNS), service(NEW_RUNS))
    assert [made.id for made in found.deployments] == ["d-2"]


def test_what_is_deployed_already_is_answered_at_once(wait):
    assert wait(service(NEW_RUNS)).running == 2


def test_completed_before_all_tasks_run_is_not_yet_deployed(wait):
    assert wait(service(deployment("d-2", NEW, "COMPLETED", running=1)), service(NEW_RUNS)).running == 2


def test_a_service_of_no_tasks_is_deployed_when_ecs_says_so(wait):
    assert wait(service(deployment("d-2", NEW, "COMPLETED", desired=0))).running == 0


@pytest.mark.parametrize(
    "story",
    [
        [
            service(NEW_STARTS, OLD_RUNS),
            service(deployment("d-3", OLD, "COMPLETED", running=2)),
        ],  # gone by the time that we look
        [
            service(NEW_STARTS, OLD_RUNS),
            service(
                deployment("d-3", OLD),
                deployment("d-2", NEW, "FAILED", rolloutStateReason="circuit breaker"),
                OLD_RUNS,
            ),
        ],
        [service(deployment("d-3", OLD, "COMPLETED", running=2))],  # gone before the first look
    ],
)
def test_stable_after_a_rollback_is_not_deployed(wait, story):
    with pytest.raises(WentWrong) as wrong:
        wait(*story)
    assert wrong.value.code == 5
    assert "ows was not deployed: small-ows:2 failed and small-ows:1 is in its place" in wrong.value.message


def test_a_failed_deployment_gives_ecs_own_reason(wait):
    failed = deployment("d-2", NEW, "FAILED", rolloutStateReason="tasks failed to start")
    with pytest.raises(WentWrong, match="tasks failed to start"):
        wait(service(failed, OLD_RUNS))


def test_a_deployment_that_was_replaced_by_another_is_not_deployed(wait):
    with pytest.raises(WentWrong, match="small-ows:3 is in its place"):
        wait(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", NEWER, "COMPLETED", running=2)))


def test_another_deployment_of_the_same_task_definition_is_not_ours(wait):
    """A forced new deployment of what we deployed: ours, by its id, has gone."""
    with pytest.raises(WentWrong, match="not started anew: the new tasks of small-ows:2 failed; the earlier ones run on."):
        wait(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", NEW, "COMPLETED", running=2)))


@pytest.mark.parametrize("answer", [None, service(NEW_RUNS, status="INACTIVE")])
def test_a_service_that_is_not_there_is_wrong(wait, answer):
    with pytest.raises(WentWrong, match="There is no service ows in cluster small.") as wrong:
        wait(answer)
    assert wrong.value.run == "invoke deploy"


def test_too_long_is_exit_code_6_with_ecs_last_word(wait):
    with pytest.raises(TookTooLong) as late:
        wait(
            service(deployment("d-2", NEW, running=1), OLD_RUNS, events=("no instance has enough memory", "older")),
            limit=0,
        )
    assert late.value.code == 6
    assert "1 of 2 tasks run" in late.value.message and "no instance has enough memory" in late.value.message


def test_without_a_circuit_breaker_the_counts_decide(wait):
    found = wait(
        service(deployment("d-2", NEW, None, running=1), OLD_RUNS), service(deployment("d-2", NEW, None, running=2))
    )
    assert found.deployments[0].state == "COMPLETED"


def test_every_look_is_told(wait):
    seen: list[containers.Service] = []
    wait(service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), tell=seen.append)
    assert [(told.running, len(told.deployments)) for told in seen] == [(2, 2), (2, 1)]


PASSWORD = 'connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "wms"'
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


def test_a_roll_back_tells_why_the_task_ended_what_it_said_last_and_what_to_run(wait):
    with pytest.raises(WentWrong) as wrong:
        wait(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", OLD, "COMPLETED", running=2)), **failing())
    said = wrong.value.message
    assert "small-ows:2 failed and small-ows:1 is in its place" in said
    assert "The database refuses the password of wms" in said
    assert "Essential container in task exited; exit code 3" in said and PASSWORD in said
    assert wrong.value.run == "invoke service.run init-db"


def test_a_roll_back_that_was_over_before_anybody_looked_is_told_by_its_own_tasks_newest_first(wait):
    """The earlier ones ran the same revision, and ended for a reason that is no more."""
    canned, logs = failing(), {"1": "server closed the connection unexpectedly", "2": "no match", "3": PASSWORD}
    canned["describe_tasks"]["tasks"] = [
        {**canned["describe_tasks"]["tasks"][0], "taskArn": f"arn:aws:ecs:r:0:task/small/{minute}",
         "createdAt": START + timedelta(minutes=minute)} for minute in (1, 3, 2)]
    canned["get_log_events"] = lambda logStreamName, **_: events(logs[logStreamName[-1]])()
    over = RolledBack("arn:d-2", begun=START + timedelta(minutes=2))
    with pytest.raises(WentWrong, match="refuses the password of wms") as wrong:
        wait(service(deployment("d-3", NEW, "COMPLETED", running=2)), over=over, **canned)
    assert wrong.value.run == "invoke service.run init-db" and "Task 3 stopped" in wrong.value.message


def test_a_task_that_ends_badly_is_told_once_and_while_it_happens(wait):
    told: list[str] = []
    wait(service(NEW_STARTS, OLD_RUNS), service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), say=told.append, **failing())
    assert told == [
        "task 11111111 ended: The database refuses the password of wms: it is not the one in the parameter store."
    ]


def test_last_lines_that_come_late_are_read_again_before_it_is_called_wrong(wait):
    """The scheduler took the task away while it still spoke: at first only ECS's reason is known."""
    canned, early, told = failing(), iter([events("starting")] * 2), []
    canned["get_log_events"] = lambda **arguments: next(early, events("starting", PASSWORD))(**arguments)
    canned["describe_tasks"]["tasks"][0].update(stoppedReason="Task failed ELB health checks in (target-group x)")
    canned["describe_tasks"]["tasks"][0]["containers"][0].pop("exitCode")
    with pytest.raises(WentWrong, match="The database refuses the password of wms") as wrong:
        wait(service(NEW_STARTS, OLD_RUNS), service(OLD_RUNS), say=told.append, **canned)
    assert wrong.value.run == "invoke service.run init-db"
    assert ["password" in each for each in told] == [False, True]


def test_of_two_vague_words_one_is_said(wait):
    canned = failing()
    canned["get_log_events"] = events("starting")
    canned["describe_tasks"]["tasks"][0].update(stoppedReason="Task failed ELB health checks in (target-group x)")
    with pytest.raises(WentWrong) as wrong:
        wait(service(NEW_STARTS, OLD_RUNS), service(OLD_RUNS, events=("(reason Request timed out)",)), **canned)
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
def test_tasks_of_another_deployment_are_not_blamed(wait, old):
    canned = failing()
    canned["describe_tasks"]["tasks"][0].update(
        {"taskDefinitionArn" if "definition" in old else "createdAt": next(iter(old.values()))}
    )
    with pytest.raises(WentWrong) as wrong:
        wait(service(deployment("d-2", NEW, "FAILED", rolloutStateReason="ECS gave it up"), OLD_RUNS), **canned)
    assert "password" not in wrong.value.message and "ECS gave it up" in wrong.value.message


def test_a_task_that_ecs_takes_away_is_no_failure(wait):
    canned = failing()
    canned["describe_tasks"]["tasks"][0].update(stopCode="ServiceSchedulerInitiated", stoppedReason="Scaling activity")
    told: list[str] = []
    wait(service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), say=told.append, **canned)
    assert told == []


def test_a_failing_health_path_is_told_with_its_code_where_the_log_says_nothing(wait):
    with pytest.raises(WentWrong, match=r"The health path answers with code 500\.") as wrong:
        wait(service(deployment("d-2", NEW, "FAILED"), OLD_RUNS, **BEHIND), describe_target_health=targets("unhealthy"))
    assert wrong.value.run == "invoke logs.tail"


def test_a_first_deployment_that_failed_has_nothing_to_go_back_to(wait):
    with pytest.raises(WentWrong, match="there is no earlier deployment to go back to"):
        wait(service(deployment("d-2", NEW, "FAILED")))


def test_completed_with_a_target_that_fails_is_not_deployed(wait):
    done = service(NEW_RUNS, **BEHIND)
    found = wait(
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


def test_tasks_that_keep_ending_after_ecs_called_it_completed_are_wrong_long_before_the_time_is_up(wait):
    """The circuit breaker counts no more then: ECS would start new tasks for ever."""
    canned = failing()
    tasks = [
        {**canned["describe_tasks"]["tasks"][0], "taskArn": f"arn:aws:ecs:r:0:task/small/{number}"} for number in range(4)
    ]
    canned["describe_tasks"] = [{"tasks": tasks[:seen]} for seen in range(1, 5)]
    with pytest.raises(WentWrong, match="was deployed, but its tasks keep ending.*password"):
        wait(service(deployment("d-2", NEW, "COMPLETED", running=1)), **canned)


def test_too_long_says_what_the_running_tasks_say(wait):
    """Nothing has ended yet: the grace period is long, and the server answers 500 all the time."""
    canned = failing()
    canned["list_tasks"] = lambda desiredStatus, **_: {"taskArns": ["a"] if desiredStatus == "RUNNING" else []}
    canned["describe_tasks"]["tasks"][0].update(lastStatus="RUNNING", stopCode="", stoppedReason="")
    with pytest.raises(TookTooLong, match="refuses the password of wms") as late:
        wait(service(deployment("d-2", NEW, running=2), OLD_RUNS), limit=0, **canned)
    assert late.value.run == "invoke service.run init-db"


def test_events_are_told_as_they_come_and_only_those_of_this_deployment(wait):
    def at(minute: int, text: str) -> dict:
        return {"id": text, "message": text, "createdAt": START + timedelta(minutes=minute)}

    first = {**service(NEW_STARTS, OLD_RUNS), "events": [at(3, "has started 2 tasks"), at(1, "of an earlier deployment")]}
    then = {**service(NEW_RUNS), "events": [at(5, "has reached a steady state"), *first["events"]]}
    told: list[str] = []
    wait(first, first, then, say=told.append)
    assert told == ["has started 2 tasks", "has reached a steady state"]


def test_a_restart_is_followed_by_its_own_id(wait, local):
    """The task definition is that of the deployment before: only the id tells them apart."""
    again = deployment("d-3", NEW)
    aws = CannedAws(local, update_service={"service": service(again, NEW_RUNS)})
    assert containers.restart(aws, "small", "ows") == "d-3"
    assert aws.calls("update_service") == [{"cluster": "small", "service": "ows", "forceNewDeployment": True}]
    found = wait(service(again, NEW_RUNS), service(deployment("d-3", NEW, "COMPLETED", running=2)), id="d-3")
    assert [made.id for made in found.deployments] == ["d-3"]
    with pytest.raises(WentWrong):
        wait(service(NEW_RUNS), id="d-3")


def test_of_several_services_each_is_waited_for_and_all_that_is_wrong_is_told(local):
    def story(name: str, *deployments: dict) -> dict:
        return {**service(*deployments), "serviceName": name}

    stories = {
        "a": [story("a", NEW_STARTS, OLD_RUNS), story("a", NEW_RUNS)],
        "b": [story("b", deployment("d-2", NEW, "FAILED"))],
        "c": [story("c", NEW_STARTS)],
    }

    def describe(services: list[str], **_) -> dict:
        story = stories[services[0]]
        return {"services": [story.pop(0) if len(story) > 1 else story[0]]}

    aws, seen = CannedAws(local, describe_services=describe), []
    with pytest.raises(WentWrong) as wrong:
        containers.wait_for_all(
            [containers.Following(aws, "small", name, NEW) for name in stories],
            lambda found: seen.append(found.name),
            limit=0.2,
            poll=0.05,
        )
    assert wrong.value.message.startswith("b was not deployed") and "\nc: 0 of 2 tasks run" in wrong.value.message
    assert seen.count("a") == 2, "a is followed to its end although b has failed"
