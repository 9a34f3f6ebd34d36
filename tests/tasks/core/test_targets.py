"""The load balancer's opinion of a service's tasks. The embedded AWS registers targets; what ails one is canned."""

from __future__ import annotations

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import targets
from tasks.core.targets import Health


@pytest.fixture
def group(client, slug) -> str:
    vpc = client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = client("elbv2").create_target_group(Name=slug, Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="ip")
    return made["TargetGroups"][0]["TargetGroupArn"]


def test_a_group_without_targets_has_none_healthy(aws, group):
    assert targets.health(aws, [group]) == Health()


def test_a_group_that_is_gone_has_none_either(aws, group, client):
    client("elbv2").delete_target_group(TargetGroupArn=group)
    assert targets.health(aws, [group]) == Health()


def test_registered_targets_are_counted(aws, group, client):
    client("elbv2").register_targets(TargetGroupArn=group, Targets=[{"Id": "10.9.0.4"}, {"Id": "10.9.0.5"}])
    found = targets.health(aws, [group])
    assert found.healthy + found.unhealthy == 2


def test_a_service_behind_no_load_balancer_is_asked_nothing(local):
    aws = CannedAws(local)
    assert targets.health(aws, []) == Health() and not aws.asked


def test_each_reason_once_and_no_target_that_leaves(local):
    codes = {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [500]",
    }
    states = [
        {"State": "healthy"},
        codes,
        codes,
        {"State": "initial", "Reason": "Elb.InitialHealthChecking"},
        {"State": "draining"},
        {"State": "unused"},
    ]
    aws = CannedAws(local, describe_target_health={"TargetHealthDescriptions": [{"TargetHealth": each} for each in states]})
    assert targets.health(aws, ["arn"]) == Health(1, 3, (codes["Description"], "Elb.InitialHealthChecking"))


def test_any_other_error_is_an_error(local):
    with pytest.raises(Exception, match="AccessDenied"):
        targets.health(CannedAws(local, describe_target_health=refusal("AccessDenied")), ["arn"])
