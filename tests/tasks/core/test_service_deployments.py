"""A roll-back that is over already is still found. Canned answers: only an engine makes the embedded AWS roll back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from canned_aws import CannedAws
from tasks.core.service_deployments import rolled_back_lately


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
