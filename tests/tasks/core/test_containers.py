"""Is what was just deployed really what runs? ECS's answers are canned here: a rollback cannot be asked for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tasks.core import containers
from tasks.core.console import TookTooLong, WentWrong

OLD, NEW, NEWER = (f"arn:aws:ecs:ap-southeast-2:000000000000:task-definition/small-ows:{number}" for number in (1, 2, 3))
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def deployment(
    id: str, definition: str, state: str | None = "IN_PROGRESS", running: int = 0, desired: int = 2, **more
) -> dict:
    """As DescribeServices tells of it; the number in the id is its time."""
    known = {"rolloutState": state} if state else {}
    return {"id": id, "taskDefinition": definition, "runningCount": running, "desiredCount": desired,
            "createdAt": START + timedelta(minutes=int(id[-1])), **known, **more}


def service(*deployments: dict, status: str = "ACTIVE", events: tuple[str, ...] = ()) -> dict:
    return {
        "serviceName": "ows",
        "status": status,
        "desiredCount": 2,
        "runningCount": sum(d["runningCount"] for d in deployments),
        "deployments": list(deployments),
        "events": [{"message": message} for message in events],
    }


OLD_RUNS = deployment("d-1", OLD, "COMPLETED", running=2)
NEW_STARTS = deployment("d-2", NEW)
NEW_RUNS = deployment("d-2", NEW, "COMPLETED", running=2)


class Ecs:
    """A session whose ECS gives one answer after the other, and the last one for ever."""

    def __init__(self, settings, *answers: dict | None):
        self.settings, self.answers, self.asked = settings, list(answers), 0

    def client(self, name: str):
        assert name == "ecs"
        return self

    def describe_services(self, cluster: str, services: list[str]) -> dict:
        assert (cluster, services) == ("small", ["ows"])
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return {"services": [answer] if answer else []}


@pytest.fixture
def wait(local):
    def until_deployed(*answers: dict | None, limit: float = 60, tell=lambda service: None):
        return containers.wait_until_deployed(Ecs(local, *answers), "small", "ows", NEW, tell, limit=limit, poll=0)

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
    with pytest.raises(WentWrong):
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
