"""Whether these credentials may do what a role does, asked of IAM before anything is changed.

IAM answers by iam:SimulatePrincipalPolicy, which few are allowed, and knows nothing of what an organisation forbids: an
answer is a hint that comes early, and no answer stops nothing.
"""

from __future__ import annotations

import re
from typing import Any

from .. import keys
from ..console import Refused
from ..session import Session
from .documents import build
from .places import PLACES

TRIED = "x"  # stands for what a pattern leaves open
OF_THE_KEY = {PLACES[place].sid for place in ("key", "secrets_key")}
ASKING = PLACES["askers"].sid  # who gets an answer may ask, maybe about nobody but himself


def key_arn(session: Session) -> str | None:
    """The ARN of chamber's key, which narrows the documents; None while it is not there, or not to be seen."""
    try:
        session.require_account()
        key = keys.find(session)
    except Exception:  # no credentials yet, or none that may look: whoever makes the roles comes before them
        return None
    return key.arn if key else None


def require(session: Session, role: str) -> None:
    """Raise Refused (3) with every action of a role that IAM would refuse; where IAM does not say, go on."""
    lacking = missing(session, role)
    if lacking:
        raise Refused(f"These credentials may not do {', '.join(lacking)}. Nothing was changed. (If IAM is mistaken: "
                      "--no-permission-check.)", run=session.settings.command("doctor", f"--policy {role}"))


def missing(session: Session, role: str) -> list[str] | None:
    """The role's actions that IAM would refuse, sorted; None when IAM does not say.

    While chamber's key is not there, or not to be seen, nothing is asked about it: a policy names no other key.
    """
    try:
        source = _principal(session.client("sts").get_caller_identity()["Arn"])
        if source is None:
            return None
        key = key_arn(session)
        unasked = {ASKING} if key else {ASKING, *OF_THE_KEY}
        statements = [each for document in build(session, role, key).documents for each in document["Statement"]]
        asked = [each for each in statements if each["Effect"] == "Allow" and each["Sid"] not in unasked]
        return sorted({action for each in asked for action in _refused(session, source, each)})
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
