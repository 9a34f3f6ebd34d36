"""Log groups and parameters: AWS refuses a second one of the name."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, items, tags


def _log_groups(session: Session, arguments: dict) -> Iterator[Found]:
    logs, name = session.client("logs"), arguments["name"]
    for group in items(logs, "describe_log_groups", "logGroups[]", logGroupNamePrefix=name):
        if group["logGroupName"] == name:
            yield Found(name, logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"])


def _parameters(session: Session, arguments: dict) -> Iterator[Found]:
    """Without reading any value."""
    ssm, name = session.client("ssm"), arguments["name"]
    named = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    for parameter in items(ssm, "describe_parameters", "Parameters[]", ParameterFilters=named):
        if parameter["Name"] == name and parameter["Type"] == arguments["type"]:
            yield Found(name, tags(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]))


FINDERS: dict[str, Finder] = {
    "aws_cloudwatch_log_group": by(_log_groups, "name"),
    "aws_ssm_parameter": by(_parameters, "name", "type"),
}
