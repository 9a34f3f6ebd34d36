"""Which image each service of a workspace runs now, as ECS says it and not as some file does."""

from __future__ import annotations

from .session import Session, error_code

TOGETHER = 10  # services that one call may ask for


def running(session: Session) -> dict[str, str]:
    """service -> the image of the task definition that it runs; without those that ECS does not know."""
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
        for service in answer["services"]:
            if service["status"] == "ACTIVE":
                name = service["serviceName"].removeprefix(prefix)
                found[name] = _image(ecs, service["taskDefinition"], name)
    return found


def _image(ecs, task_definition: str, container: str) -> str:
    described = ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]["containerDefinitions"]
    return next((each["image"] for each in described if each["name"] == container), described[0]["image"])
