"""Roles and instance profiles: AWS refuses a second one of the name."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, items, tags, unless


def _roles(session: Session, arguments: dict) -> Iterator[Found]:
    iam, name = session.client("iam"), arguments["name"]
    if unless("NoSuchEntity", lambda: iam.get_role(RoleName=name)):
        yield Found(name, tags(items(iam, "list_role_tags", "Tags[]", RoleName=name)))


def _instance_profiles(session: Session, arguments: dict) -> Iterator[Found]:
    """With or without its role: putting it in is a second call, which the apply makes for an adopted one."""
    iam, name = session.client("iam"), arguments["name"]
    answer = unless("NoSuchEntity", lambda: iam.get_instance_profile(InstanceProfileName=name))
    if answer and {role["RoleName"] for role in answer["InstanceProfile"].get("Roles", ())} <= {arguments.get("role")}:
        yield Found(name, tags(answer["InstanceProfile"].get("Tags")))


FINDERS: dict[str, Finder] = {
    "aws_iam_role": by(_roles, "name"),
    "aws_iam_instance_profile": by(_instance_profiles, "name"),
}
