"""Policy documents of a role, each small enough for a managed policy."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ..session import Session
from . import places
from .implied import IMPLIED, NEVER, Implied
from .recorded import BESIDE, actions

MOST = 6144  # characters of a managed policy, without white space: docs.aws.amazon.com/IAM, "IAM and AWS STS quotas"


@dataclass(frozen=True)
class Policy:
    """What a role may do.

    documents  policy documents, each within AWS's limit; a role is given all of them
    proven     the actions that were recorded
    implied    those that only the documentation knows of
    """

    documents: list[dict[str, Any]]
    proven: set[str]
    implied: list[Implied]


def build(session: Session, role: str, key_arn: str | None = None) -> Policy:
    """The least policy of a role in one workspace. key_arn: chamber's key, to narrow it; None when it is not known."""
    proven = actions(role)
    implied = [each for each in IMPLIED if {role, *BESIDE[role]} & set(each.roles)]
    values = places.names(session, key_arn)
    return Policy(_documents(_statements(role, proven, implied, values)), proven, implied)


def compact(document: dict[str, Any]) -> str:
    """A document as AWS counts its characters: without white space."""
    return json.dumps(document, separators=(",", ":"))


def _statements(role: str, proven: set[str], implied: list[Implied], values: dict[str, Any]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str, str], set[str]] = defaultdict(set)  # place and condition -> actions
    only_looks = role == "plan"
    for action in proven:
        grouped[places.of_action(action, only_looks), "{}"].add(action)
    for each in implied:
        for action in each.actions:
            place = each.place or places.of_action(action, only_looks)
            grouped[place, json.dumps(each.condition)].add(action)
    order = list(places.PLACES)
    allowed = [_statement(places.PLACES[place], condition, found, values)
               for (place, condition), found in sorted(grouped.items(), key=lambda item: order.index(item[0][0]))]
    return [{"Sid": "TheKeyStays", "Effect": "Deny", "Action": sorted(NEVER), "Resource": "*"}, *allowed]


def _statement(place: places.Place, condition: str, found: set[str], values: dict[str, Any]) -> dict[str, Any]:
    resources = sorted({each for template in place.resources for each in _filled(template, values)})
    narrowed = json.loads(condition, object_hook=lambda pairs: {key: _value(value, values) for key, value in pairs.items()})
    return {"Sid": place.sid, "Effect": "Allow", "Action": sorted(found), "Resource": resources,
            **({"Condition": narrowed} if narrowed else {})}


def _value(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [each.format(**values) for each in value]
    return value.format(**values) if isinstance(value, str) else value


def _filled(template: str, values: dict[str, Any]) -> list[str]:
    """A template's resources: one that is a list's name alone stands for each of the list."""
    whole = values.get(template.strip("{}"))
    return list(whole) if isinstance(whole, list) else [template.format(**values)]


def _documents(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements in as few documents as they fit, the order kept."""
    made: list[dict[str, Any]] = []
    for statement in statements:
        fuller = {**made[-1], "Statement": [*made[-1]["Statement"], statement]} if made else None
        if fuller is not None and len(compact(fuller)) <= MOST:
            made[-1] = fuller
        else:
            made.append({"Version": "2012-10-17", "Statement": [statement]})
    return made
