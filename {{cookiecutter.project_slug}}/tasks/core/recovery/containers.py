"""ECS: cluster, capacity provider, task definitions, services; and the scheduler that starts jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..session import Session
from .found import Finder, Found, by, items, tags, unless

NEWEST = 10  # revisions that are looked at: the one in flight was registered a moment ago
NOTHING = (None, "", 0, False, [], {})


def _clusters(session: Session, arguments: dict) -> Iterator[Found]:
    answer = session.client("ecs").describe_clusters(clusters=[arguments["name"]], include=["TAGS"])
    for cluster in answer["clusters"]:
        if cluster["status"] in ("ACTIVE", "PROVISIONING"):
            yield Found(cluster["clusterName"], tags(cluster.get("tags")),
                        cluster["status"] if cluster["status"] == "PROVISIONING" else "")


def _capacity_providers(session: Session, arguments: dict) -> Iterator[Found]:
    ecs = session.client("ecs")
    answer = unless(("ClientException", "InvalidParameterException"), lambda: ecs.describe_capacity_providers(
        capacityProviders=[arguments["name"]], include=["TAGS"]))
    for provider in (answer or {}).get("capacityProviders", ()):
        if provider["status"] == "ACTIVE":
            yield Found(provider["name"], tags(provider.get("tags")))


def _services(session: Session, arguments: dict) -> Iterator[Found]:
    ecs, cluster = session.client("ecs"), arguments["cluster"]
    answer = unless("ClusterNotFoundException", lambda: ecs.describe_services(
        cluster=cluster, services=[arguments["name"]], include=["TAGS"]))
    for service in (answer or {}).get("services", ()):
        if service["status"] == "ACTIVE":
            yield Found(f"{cluster.rpartition('/')[2]}/{service['serviceName']}", tags(service.get("tags")))


def _task_definitions(session: Session, arguments: dict) -> Iterator[Found]:
    """The newest revision that says just this: older ones may say it too, and are kept for going back to."""
    ecs = session.client("ecs")
    wanted = json.loads(arguments["container_definitions"])
    newest = items(ecs, "list_task_definitions", "taskDefinitionArns[]", familyPrefix=arguments["family"], status="ACTIVE",
                   sort="DESC")
    for arn in islice(newest, NEWEST):
        answer = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        found = answer["taskDefinition"]
        roles = [found.get(role) or None for role in ("taskRoleArn", "executionRoleArn")]
        if (found["family"] == arguments["family"] and _same_containers(found["containerDefinitions"], wanted)
                and roles == [arguments.get("task_role_arn"), arguments.get("execution_role_arn")]
                and len(found.get("volumes", ())) == len(arguments.get("volume") or ())):
            yield Found(arn, tags(answer.get("tags")))
            return


def _same_containers(found: list[dict], wanted: list[dict]) -> bool:
    """Whether a revision has these containers: all that was asked for, and no setting of which nothing was said."""
    said = [{key for key, value in each.items() if value not in NOTHING} - {"essential"} for each in wanted]
    have = [{key for key, value in each.items() if value not in NOTHING} - {"essential"} for each in found]
    return have == said and _holds(found, wanted)


def _holds(found: Any, wanted: Any) -> bool:
    """Whether AWS's answer has everything that is wanted; it adds its own defaults, and keeps no order of variables."""
    if isinstance(wanted, dict):
        return all(value in NOTHING or _holds((found or {}).get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return False
        named = all(isinstance(each, dict) and "name" in each for each in wanted)
        if named:
            found, wanted = (sorted(each, key=lambda one: one.get("name", "")) for each in (found, wanted))
        return all(_holds(*pair) for pair in zip(found, wanted, strict=True))
    return found == wanted


def _schedules(session: Session, arguments: dict) -> Iterator[Found]:
    """A schedule has no tags: it is ours when it starts our cluster's tasks with our role."""
    scheduler, name, group = session.client("scheduler"), arguments["name"], arguments.get("group_name") or "default"
    found = unless("ResourceNotFoundException", lambda: scheduler.get_schedule(Name=name, GroupName=group))
    wanted = arguments["target"][0]
    if found and [found["Target"]["Arn"], found["Target"]["RoleArn"]] == [wanted.get("arn"), wanted.get("role_arn")]:
        yield Found(f"{group}/{name}")


FINDERS: dict[str, Finder] = {
    "aws_ecs_cluster": by(_clusters, "name"),
    "aws_ecs_capacity_provider": by(_capacity_providers, "name"),
    "aws_ecs_service": by(_services, "name", "cluster"),
    "aws_ecs_task_definition": by(_task_definitions, "family", "container_definitions"),
    "aws_scheduler_schedule": by(_schedules, "name", "target"),
}
