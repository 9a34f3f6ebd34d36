"""A session whose AWS gives canned answers, for what no emulator can be asked for: roll-backs, no room, throttling.

    aws = CannedAws(settings, describe_services=[first, second], list_tasks={"taskArns": []})

A list is given one answer after the other, and its last one for ever; a dictionary is given always; an exception is raised;
a function is called with the call's arguments. What was asked stands in ``asked``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

NOTHING = {
    "list_tasks": {"taskArns": []},
    "describe_tasks": {"tasks": []},
    "get_log_events": {"events": []},
    "describe_target_health": {"TargetHealthDescriptions": []},
    "describe_task_definition": {"taskDefinition": {"containerDefinitions": []}},
}


def refusal(code: str, action: str = "Call") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canned"}}, action)


class CannedAws:
    class Pages:
        """One page: what the call answers."""

        def __init__(self, call: Callable[..., Any]):
            self.paginate = lambda **arguments: [call(**arguments)]

    def __init__(self, settings, **answers: Any):
        self.settings = settings
        self.answers = {
            **NOTHING,
            **{name: list(said) if isinstance(said, list) else said for name, said in answers.items()},
        }
        self.asked: list[tuple[str, dict]] = []

    def client(self, service: str) -> CannedAws:
        return self

    def get_paginator(self, name: str) -> CannedAws.Pages:
        return CannedAws.Pages(getattr(self, name))

    def calls(self, name: str) -> list[dict]:
        return [arguments for called, arguments in self.asked if called == name]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__") or name not in self.answers:
            raise AttributeError(f"No canned answer for {name}.")

        def answer(**arguments: Any) -> Any:
            self.asked.append((name, arguments))
            said = self.answers[name]
            if isinstance(said, list):
                said = said.pop(0) if len(said) > 1 else said[0]
            if isinstance(said, Exception):
                raise said
            return said(**arguments) if callable(said) else said

        return answer


def task(
    id: str = "1" * 32,
    definition: str = "arn:aws:ecs:r:0:task-definition/small-ows:2",
    status: str = "STOPPED",
    exit_code: int | None = None,
    reason: str = "",
    container: str = "ows",
    **more: Any,
) -> dict:
    """As DescribeTasks tells of one."""
    made = {"name": container, "reason": reason, **({} if exit_code is None else {"exitCode": exit_code})}
    return {
        "taskArn": f"arn:aws:ecs:r:0:task/small/{id}",
        "taskDefinitionArn": definition,
        "lastStatus": status,
        "containers": [made],
        **more,
    }


def definition(group: str = "/small/apps/ows", container: str = "ows", image: str = "i", **more: Any) -> dict:
    """As DescribeTaskDefinition tells of one."""
    options = {"awslogs-group": group, "awslogs-stream-prefix": container}
    return {
        "taskDefinition": {
            "revision": 2,
            "containerDefinitions": [
                {"name": container, "image": image, "logConfiguration": {"logDriver": "awslogs", "options": options}}
            ],
            **more,
        }
    }


def events(*lines: str) -> Callable[..., dict]:
    """As GetLogEvents tells of lines: all at once, and nothing more to who gives the token back."""

    def answer(nextToken: str = "", **_: Any) -> dict:
        said = [] if nextToken else [{"message": line, "timestamp": number} for number, line in enumerate(lines)]
        return {"events": said, "nextForwardToken": "end"}

    return answer
