"""A state as it lies in the bucket, read without Terraform: what it manages, and which version of itself it is.

The format is version 4, which every Terraform since 0.12 writes. Reading it takes milliseconds, and works for another
project's state, too; ``terraform show`` takes seconds and an initialised folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .console import Failed
from .initialise import state_object
from .session import Session
from .state_bucket import read_json

FORMAT = 4


@dataclass(frozen=True)
class Resource:
    """One object that a state manages.

    address     with its instance key: ``module.ecs["ows"].aws_ecs_service.service``
    attributes  as the provider last saw them
    deposed     whether it was replaced already and only waits for its end
    tainted     whether its creation did not come to its end
    """

    address: str
    type: str
    attributes: dict[str, Any]
    deposed: bool = False
    tainted: bool = False

    @property
    def configured_as(self) -> str:
        """The address without instance keys, as a ``removed`` block names it."""
        return without_keys(self.address)


@dataclass(frozen=True)
class State:
    """``serial`` grows with each write; ``lineage`` is the same for as long as it is one state."""

    serial: int
    lineage: str
    resources: tuple[Resource, ...]
    outputs: dict[str, Any]

    def of_type(self, type: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type == type]

    @property
    def addresses(self) -> set[str]:
        return {resource.address for resource in self.resources}


EMPTY = State(0, "", (), {})


def load(session: Session) -> State:
    """The workspace's state; EMPTY when there is none."""
    content = read_json(session, state_object(session.settings))
    return EMPTY if content is None else parse(content)


def parse(content: dict | bytes | str) -> State:
    """A state's JSON. Raises Failed for a format that this code does not know."""
    if not isinstance(content, dict):
        content = json.loads(content)
    if content.get("version") != FORMAT:
        raise Failed(f"The state has format {content.get('version')}; this code reads format {FORMAT}.")
    found = tuple(_instance(resource, instance) for resource in content.get("resources", ())
                  if resource["mode"] == "managed" for instance in resource["instances"])
    outputs = {name: output.get("value") for name, output in content.get("outputs", {}).items()}
    return State(content["serial"], content["lineage"], found, outputs)


def workspaces(state: State) -> set[str]:
    """What the tag Workspace of its resources says: one, unless it is a strange state."""
    tags = (resource.attributes.get("tags_all") or {} for resource in state.resources)
    return {tag["Workspace"] for tag in tags if tag.get("Workspace")}


def _instance(resource: dict, instance: dict) -> Resource:
    module = f"{resource['module']}." if resource.get("module") else ""
    key = instance.get("index_key")
    index = "" if key is None else f"[{json.dumps(key)}]"
    return Resource(f"{module}{resource['type']}.{resource['name']}{index}", resource["type"],
                    instance.get("attributes") or {}, "deposed" in instance, instance.get("status") == "tainted")


def without_keys(address: str) -> str:
    """``module.ecs["ows"].aws_ecs_service.service`` -> ``module.ecs.aws_ecs_service.service``; keys may hold any text."""
    plain, quoted, depth = [], False, 0
    for place, letter in enumerate(address):
        if letter == '"' and address[place - 1] != "\\":
            quoted = not quoted
        elif letter == "[" and not quoted:
            depth += 1
        elif letter == "]" and not quoted:
            depth -= 1
        elif not depth:
            plain.append(letter)
    return "".join(plain)
