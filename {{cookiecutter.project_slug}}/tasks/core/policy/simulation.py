"""Whether these credentials may do what a role does, asked of IAM before anything is changed.

IAM answers by iam:SimulatePrincipalPolicy, which few are allowed, and knows nothing of what an organisation forbids: an
answer is a hint that comes early, and no answer stops nothing.
"""

from __future__ import annotations

import re
from typing import Any

from ..session import Session
from .documents import build

TRIED = "x"  # stands for what a pattern leaves open


def missing(session: Session, role: str, key_arn: str | None = None) -> list[str] | None:
    """The role's actions that IAM would refuse, sorted; None when IAM does not say."""
    try:
        source = _principal(session.client("sts").get_caller_identity()["Arn"])
        if source is None:
            return None
        statements = [each for document in build(session, role, key_arn).documents for each in document["Statement"]]
        allowed = [each for each in statements if each["Effect"] == "Allow"]
        return sorted({action for each in allowed for action in _refused(session, source, each)})
    except Exception:  # not allowed to ask, a principal that cannot be simulated, a network that fails: no answer
        return None


def _refused(session: Session, source: str, statement: dict[str, Any]) -> list[str]:
    """The actions of one statement that are refused on the first of its resources, whatever the request's circumstances."""
    context = [{"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [values[0] if isinstance(values, list)
                                                                                       else values]}
               for key, values in statement.get("Condition", {}).get("StringEquals", {}).items()]
    pages = session.client("iam").get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source, ActionNames=statement["Action"],
        ResourceArns=[_one_of(statement["Resource"][0])], ContextEntries=context)
    return [result["EvalActionName"] for page in pages for result in page["EvaluationResults"]
            if result["EvalDecision"] != "allowed" and not result.get("MissingContextValues")]


def _one_of(resource: str) -> str:
    return resource if resource == "*" else resource.replace("*", TRIED)


def _principal(arn: str) -> str | None:
    """The user or role whose policies count; None for an account's root, which may do everything."""
    assumed = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    if assumed:
        return f"arn:{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}"
    return None if arn.endswith(":root") else arn
