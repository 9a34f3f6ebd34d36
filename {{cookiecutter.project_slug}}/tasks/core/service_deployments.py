"""ECS's record of how the deployments of a service ended. A roll-back is over in seconds when tasks end at once, and a
service that is back at what it ran before looks as if nothing had ever happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .session import Session, error_code

LATELY = timedelta(minutes=15)
TOGETHER = 20  # service revisions that one call may ask for
NO_RECORD = ("AccessDeniedException", "ServiceNotFoundException", "ClusterNotFoundException")


@dataclass(frozen=True)
class RolledBack:
    """A deployment that is over; ``begun`` (UTC) is when it was made: older tasks were not its own."""

    arn: str
    begun: datetime


def rolled_back_lately(session: Session, cluster: str, service: str) -> RolledBack | None:
    """The service's last deployment when that was rolled back and not long ago; else None.

    None also for who may not look (ecs:ListServiceDeployments): what then counts is the service as it is.
    """
    try:
        listed = session.client("ecs").list_service_deployments(cluster=cluster, service=service)["serviceDeployments"]
    except Exception as error:
        if error_code(error) in NO_RECORD:
            return None
        raise
    if not listed:
        return None
    last = max(listed, key=lambda made: made["createdAt"])
    recent = datetime.now(timezone.utc) - last["createdAt"] < LATELY
    if not last["status"].startswith("ROLLBACK") or not recent:
        return None
    return RolledBack(last["serviceDeploymentArn"], last["createdAt"])


def never_ran(session: Session, cluster: str, service: str) -> set[str]:
    """ARNs of the task definitions of which ECS's record, 90 days long, knows no deployment but such as were rolled back or
    stopped. Empty for who may not look (ecs:ListServiceDeployments, ecs:DescribeServiceRevisions).

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentBrief.html
    """
    try:
        listed = _listed(session, cluster, service)
        definitions = _definitions(session, sorted({each["targetServiceRevisionArn"] for each in listed}))
    except Exception as error:
        if error_code(error) in NO_RECORD:
            return set()
        raise
    ended: dict[str, set[bool]] = {}
    for each in listed:
        if each["targetServiceRevisionArn"] in definitions:
            given_up = each["status"].startswith(("ROLLBACK", "STOPPED", "FAILED"))
            ended.setdefault(definitions[each["targetServiceRevisionArn"]], set()).add(given_up)
    return {definition for definition, ends in ended.items() if ends == {True}}


def _listed(session: Session, cluster: str, service: str) -> list[dict]:
    found, more = [], {}
    while True:  # boto3 has no paginator for it
        answer = session.client("ecs").list_service_deployments(cluster=cluster, service=service, maxResults=100, **more)
        found += answer["serviceDeployments"]
        if not answer.get("nextToken"):
            return found
        more = {"nextToken": answer["nextToken"]}


def _definitions(session: Session, revisions: list[str]) -> dict[str, str]:
    """ARN of a service revision -> ARN of its task definition."""
    ecs, found = session.client("ecs"), {}
    for start in range(0, len(revisions), TOGETHER):
        answer = ecs.describe_service_revisions(serviceRevisionArns=revisions[start:start + TOGETHER])
        found |= {each["serviceRevisionArn"]: each["taskDefinition"] for each in answer["serviceRevisions"]}
    return found
