"""What each service of a workspace runs now, as ECS says it and not as some file or state does."""

from __future__ import annotations

from .session import Session, error_code

TOGETHER = 10  # services that one call may ask for


def revisions(session: Session) -> dict[str, str]:
    """service -> ARN of the task definition that it is to run; without the services that ECS does not know."""
    ecs, prefix = session.client("ecs"), f"{session.settings.name}-"
    names = sorted(session.settings.variables.get("services") or {})
    found = {}
    for start in range(0, len(names), TOGETHER):
        wanted = [prefix + name for name in names[start:start + TOGETHER]]
        try:
            answer = ecs.describe_services(cluster=session.settings.name, services=wanted)
        except Exception as error:
            if error_code(error) == "ClusterNotFoundException":
                return {}
            raise
        found |= {service["serviceName"].removeprefix(prefix): service["taskDefinition"]
                  for service in answer["services"] if service["status"] == "ACTIVE"}
    return found


def images(session: Session) -> dict[str, str]:
    """service -> the image that it is to run."""
    return {name: _image(session, revision, name) for name, revision in revisions(session).items()}


def _image(session: Session, revision: str, container: str) -> str:
    definition = session.client("ecs").describe_task_definition(taskDefinition=revision)["taskDefinition"]
    described = definition["containerDefinitions"]
    return next((each["image"] for each in described if each["name"] == container), described[0]["image"])
