"""What an apply had begun to make when it was stopped: kept in mind, found in the account again, and adopted.

Terraform saves what it was making as tainted, but for a few types the provider only learns the id after a wait: a
Ctrl-C during that wait leaves an object in the account that no state tells of. So does an answer that got lost: the
provider asks again and is told that the name is taken. Either way every later apply would fail on that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import runs
from .processes import read_json, write_json
from .session import Session, error_code
from .settings import Settings


def unfinished(events: Iterable[dict]) -> list[str]:
    """The addresses whose creation was started and not completed, in the order of their start."""
    begun: dict[str, None] = {}
    for event in events:
        hook = event.get("hook", {})
        address = hook.get("resource", {}).get("addr")
        if event.get("type") == "apply_start" and hook.get("action") == "create":
            begun[address] = None
        elif event.get("type") == "apply_complete":
            begun.pop(address, None)
    return list(begun)


def note(settings: Settings, run: runs.Run) -> None:
    """Keep in mind what an apply that has ended left unfinished; an apply that succeeded left nothing."""
    if run.code == 0:
        _file(settings).unlink(missing_ok=True)
    else:
        write_json(_file(settings), sorted({*noted(settings), *unfinished(run.events())}))


def noted(settings: Settings) -> list[str]:
    return read_json(_file(settings)) or []


def find(session: Session, type: str, arguments: dict) -> str | None:
    """The id under which a resource with these arguments can be imported; None when the account has none of ours.

    ``arguments`` are those that the plan would make it with. What only bears the name is somebody else's: it must
    carry every tag that the plan would give it, project and workspace among them.
    """
    found = FINDERS[type](session, arguments)
    if found is None or not (arguments.get("tags_all") or {}).items() <= found.tags.items():
        return None
    return found.id


@dataclass(frozen=True)
class Found:
    """An object in the account: the id to import it by, and its tags."""

    id: str
    tags: dict[str, str]


def _launch_template(session: Session, arguments: dict) -> Found | None:
    ec2 = session.client("ec2")
    templates = _unless("InvalidLaunchTemplateName.NotFoundException", lambda: ec2.describe_launch_templates(
        LaunchTemplateNames=[arguments["name"]])["LaunchTemplates"])
    return Found(templates[0]["LaunchTemplateId"], _tags(templates[0].get("Tags"))) if templates else None


def _role(session: Session, arguments: dict) -> Found | None:
    iam, name = session.client("iam"), arguments["name"]
    role = _unless("NoSuchEntity", lambda: iam.get_role(RoleName=name)["Role"])
    return Found(name, _tags(iam.list_role_tags(RoleName=name)["Tags"])) if role else None


def _instance_profile(session: Session, arguments: dict) -> Found | None:
    iam, name = session.client("iam"), arguments["name"]
    profile = _unless("NoSuchEntity", lambda: iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"])
    return Found(name, _tags(profile.get("Tags"))) if profile else None


def _log_group(session: Session, arguments: dict) -> Found | None:
    logs, name = session.client("logs"), arguments["name"]
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    group = next((one for one in groups if one["logGroupName"] == name), None)
    if group is None:
        return None
    return Found(name, logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"])


def _unless(absent: str, ask: Callable):
    """AWS's answer, or None when it says that there is no such thing."""
    try:
        return ask()
    except Exception as error:
        if error_code(error) == absent:
            return None
        raise


def _tags(listed: list[dict] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in listed or ()}


# The types that were seen to get lost, each found by the name that the plan gives it.
FINDERS: dict[str, Callable[[Session, dict], Found | None]] = {
    "aws_launch_template": _launch_template,
    "aws_iam_role": _role,
    "aws_iam_instance_profile": _instance_profile,
    "aws_cloudwatch_log_group": _log_group,
}


def _file(settings: Settings) -> Path:
    return settings.private_dir("runs", settings.workspace) / "unfinished.json"
