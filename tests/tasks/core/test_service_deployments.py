"""A roll-back that is over already is still found. Canned answers: only an engine makes the embedded AWS roll back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws
from tasks.core.service_deployments import rolled_back_lately

NOW = datetime.now(timezone.utc)


def deployment(status: str, minutes: float) -> dict:
    made = NOW - timedelta(minutes=minutes)
    return {"serviceDeploymentArn": f"arn:{status}:{minutes}", "status": status, "createdAt": made}


@pytest.mark.parametrize(("listed", "found"), [
    ([], None),
    ([deployment("SUCCESSFUL", 1)], None),
    ([deployment("SUCCESSFUL", 9), deployment("ROLLBACK_SUCCESSFUL", 1)], "arn:ROLLBACK_SUCCESSFUL:1"),
    ([deployment("ROLLBACK_IN_PROGRESS", 1)], "arn:ROLLBACK_IN_PROGRESS:1"),
    ([deployment("ROLLBACK_SUCCESSFUL", 9), deployment("SUCCESSFUL", 1)], None),
    ([deployment("ROLLBACK_SUCCESSFUL", 60)], None),
])
def test_only_the_last_one_counts_and_only_when_it_is_recent(local, listed, found):
    aws = CannedAws(local, list_service_deployments={"serviceDeployments": listed})
    assert rolled_back_lately(aws, "maps", "maps-ows") == found
