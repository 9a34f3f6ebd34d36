"""A roll-back that is over already is still found. Canned answers: only an engine makes the embedded AWS roll back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws, refusal
from tasks.core.service_deployments import never_ran, rolled_back_lately


def deployment(status: str, minutes: float) -> dict:
    """One that was begun `minutes` before the test runs: a whole run lasts longer than what counts as lately."""
    made = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    return {"serviceDeploymentArn": f"arn:{status}:{minutes}", "status": status, "createdAt": made}


@pytest.mark.parametrize(("listed", "found"), [
    ([], None),
    ([("SUCCESSFUL", 1)], None),
    ([("SUCCESSFUL", 9), ("ROLLBACK_SUCCESSFUL", 1)], "arn:ROLLBACK_SUCCESSFUL:1"),
    ([("ROLLBACK_IN_PROGRESS", 1)], "arn:ROLLBACK_IN_PROGRESS:1"),
    ([("ROLLBACK_SUCCESSFUL", 9), ("SUCCESSFUL", 1)], None),
    ([("ROLLBACK_SUCCESSFUL", 60)], None),
])
def test_only_the_last_one_counts_and_only_when_it_is_recent(local, listed, found):
    aws = CannedAws(local, list_service_deployments={"serviceDeployments": [deployment(*each) for each in listed]})
    over = rolled_back_lately(aws, "maps", "maps-ows")
    assert (over and over.arn) == found
    assert over is None or datetime.now(timezone.utc) - over.begun < timedelta(minutes=2)


def record(*ended: tuple[str, str]) -> dict:
    """What ECS answers of deployments: a task definition, and how its deployment ended. Each is a service revision."""
    listed = [{"targetServiceRevisionArn": f"arn:{number}:{definition}", "status": status}
              for number, (definition, status) in enumerate(ended)]
    return {
        "list_service_deployments": [{"serviceDeployments": listed[:2], "nextToken": "more"},
                                     {"serviceDeployments": listed[2:]}],
        "describe_service_revisions": lambda serviceRevisionArns: {"serviceRevisions": [
            {"serviceRevisionArn": arn, "taskDefinition": arn.rpartition(":")[2]} for arn in serviceRevisionArns]},
    }


def test_what_ran_once_has_run_and_what_was_always_given_up_has_not(local):
    aws = CannedAws(local, **record(
        ("good", "SUCCESSFUL"), ("bad", "ROLLBACK_SUCCESSFUL"), ("bad", "ROLLBACK_FAILED"), ("stopped", "STOPPED"),
        ("good", "STOPPED"), ("new", "IN_PROGRESS")))
    assert never_ran(aws, "maps", "maps-ows") == {"bad", "stopped"}
    assert aws.calls("list_service_deployments")[1]["nextToken"] == "more"


def test_more_deployments_than_one_call_may_ask_for(local):
    aws = CannedAws(local, **record(*[(f"bad{number}", "ROLLBACK_SUCCESSFUL") for number in range(45)]))
    assert len(never_ran(aws, "maps", "maps-ows")) == 45
    assert [len(asked["serviceRevisionArns"]) for asked in aws.calls("describe_service_revisions")] == [20, 20, 5]


@pytest.mark.parametrize("answers", [
    {"list_service_deployments": {"serviceDeployments": []}},
    {"list_service_deployments": refusal("AccessDeniedException")},
    {"list_service_deployments": refusal("ClusterNotFoundException")},
    {**record(("bad", "ROLLBACK_SUCCESSFUL")), "describe_service_revisions": refusal("AccessDeniedException")},
])
def test_without_a_record_nothing_is_known_to_have_been_given_up(local, answers):
    assert never_ran(CannedAws(local, **answers), "maps", "maps-ows") == set()
