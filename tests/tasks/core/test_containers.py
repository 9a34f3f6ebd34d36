"""Is what was just deployed really what runs? AWS's answers are canned (canned_services)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canned_aws import CannedAws
from canned_services import NEW, NEW_RUNS, NEW_STARTS, NEWER, OLD, OLD_RUNS, START, deployment, service
from tasks.core import containers
from tasks.core.console import TookTooLong, WentWrong

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_a_deployment_is_followed_until_it_is_completed(followed):
    found = followed(service(NEW_STARTS, OLD_RUNS), service(deployment("d-2", NEW, running=1), OLD_RUNS), service(NEW_RUNS))
    assert [made.id for made in found.deployments] == ["d-2"]


def test_what_is_deployed_already_is_answered_at_once(followed):
    assert followed(service(NEW_RUNS)).running == 2


def test_completed_before_all_tasks_run_is_not_yet_deployed(followed):
    assert followed(service(deployment("d-2", NEW, "COMPLETED", running=1)), service(NEW_RUNS)).running == 2


def test_a_service_of_no_tasks_is_deployed_when_ecs_says_so(followed):
    assert followed(service(deployment("d-2", NEW, "COMPLETED", desired=0))).running == 0


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
def test_stable_after_a_rollback_is_not_deployed(followed, story):
    with pytest.raises(WentWrong) as wrong:
        followed(*story)
    assert wrong.value.code == 5
    assert "ows was not deployed: small-ows:2 failed and small-ows:1 is in its place" in wrong.value.message


def test_a_failed_deployment_gives_ecs_own_reason(followed):
    failed = deployment("d-2", NEW, "FAILED", rolloutStateReason="tasks failed to start")
    with pytest.raises(WentWrong, match="tasks failed to start"):
        followed(service(failed, OLD_RUNS))


def test_a_deployment_that_was_replaced_by_another_is_not_deployed(followed):
    with pytest.raises(WentWrong, match="small-ows:3 is in its place"):
        followed(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", NEWER, "COMPLETED", running=2)))


def test_another_deployment_of_the_same_task_definition_is_not_ours(followed):
    """A forced new deployment of what we deployed: ours, by its id, has gone."""
    with pytest.raises(WentWrong, match="not started anew: the new tasks of small-ows:2 failed; the earlier ones run on."):
        followed(service(NEW_STARTS, OLD_RUNS), service(deployment("d-3", NEW, "COMPLETED", running=2)))


@pytest.mark.parametrize("answer", [None, service(NEW_RUNS, status="INACTIVE")])
def test_a_service_that_is_not_there_is_wrong(followed, answer):
    with pytest.raises(WentWrong, match="There is no service ows in cluster small.") as wrong:
        followed(answer)
    assert wrong.value.run == "invoke deploy"


def test_too_long_is_exit_code_6_with_ecs_last_word(followed):
    with pytest.raises(TookTooLong) as late:
        followed(
            service(deployment("d-2", NEW, running=1), OLD_RUNS, events=("no instance has enough memory", "older")),
            limit=0,
        )
    assert late.value.code == 6
    assert "1 of 2 tasks run" in late.value.message and "no instance has enough memory" in late.value.message


def test_without_a_circuit_breaker_the_counts_decide(followed):
    found = followed(
        service(deployment("d-2", NEW, None, running=1), OLD_RUNS), service(deployment("d-2", NEW, None, running=2))
    )
    assert found.deployments[0].state == "COMPLETED"


def test_every_look_is_told(followed):
    seen: list[containers.Service] = []
    followed(service(NEW_STARTS, OLD_RUNS), service(NEW_RUNS), tell=seen.append)
    assert [(told.running, len(told.deployments)) for told in seen] == [(2, 2), (2, 1)]


def test_events_are_told_as_they_come_and_only_those_of_this_deployment(followed):
    def at(minute: int, text: str) -> dict:
        return {"id": text, "message": text, "createdAt": START + timedelta(minutes=minute)}

    first = {**service(NEW_STARTS, OLD_RUNS), "events": [at(3, "has started 2 tasks"), at(1, "of an earlier deployment")]}
    then = {**service(NEW_RUNS), "events": [at(5, "has reached a steady state"), *first["events"]]}
    told: list[str] = []
    followed(first, first, then, say=told.append)
    assert told == ["has started 2 tasks", "has reached a steady state"]


def test_a_restart_is_followed_by_its_own_id(followed, local):
    """The task definition is that of the deployment before: only the id tells them apart."""
    again = deployment("d-3", NEW)
    aws = CannedAws(local, update_service={"service": service(again, NEW_RUNS)})
    assert containers.restart(aws, "small", "ows") == "d-3"
    assert aws.calls("update_service") == [{"cluster": "small", "service": "ows", "forceNewDeployment": True}]
    found = followed(service(again, NEW_RUNS), service(deployment("d-3", NEW, "COMPLETED", running=2)), id="d-3")
    assert [made.id for made in found.deployments] == ["d-3"]
    with pytest.raises(WentWrong):
        followed(service(NEW_RUNS), id="d-3")


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
