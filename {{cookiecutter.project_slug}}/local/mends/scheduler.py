"""EventBridge's rules and schedules that start tasks."""

from __future__ import annotations

import json
import logging
from typing import Any

from mends import around_function, mend

log = logging.getLogger("local")

# A target's EcsParameters that RunTask takes under the same name, but for its first letter.
PASSED_ON = ("group", "launchType", "platformVersion", "networkConfiguration", "capacityProviderStrategy", "propagateTags",
             "enableExecuteCommand", "enableECSManagedTags", "placementConstraints", "placementStrategy")


@mend("scheduler.run-task", "a schedule that starts a task fires and starts nothing", containers=True)
def run_task() -> None:
    from ministack.services import ecs, eventbridge

    @around_function(eventbridge, "_invoke_target")
    def started(original, target, event, rule, view=None):
        if not target.get("EcsParameters"):
            return original(target, event, rule, view)
        wanted = _uncapitalised(target["EcsParameters"])
        request = {"cluster": target["Arn"], "taskDefinition": wanted["taskDefinitionArn"],
                   "count": int(wanted.get("taskCount", 1)), "startedBy": f"chronos-schedule/{rule.get('Name', '')}"[:128],
                   **{name: wanted[name] for name in PASSED_ON if wanted.get(name)}}
        if target.get("Input"):
            request["overrides"] = json.loads(target["Input"])
        status, _, answer = ecs._run_task(request)
        if status != 200:
            log.warning("the schedule %s could not start its task: %s", rule.get("Name"), answer)
        return None


def _uncapitalised(value: Any) -> Any:
    """The scheduler writes TaskDefinitionArn where ECS writes taskDefinitionArn."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _uncapitalised(inner) for name, inner in value.items()}
    return [_uncapitalised(inner) for inner in value] if isinstance(value, list) else value
