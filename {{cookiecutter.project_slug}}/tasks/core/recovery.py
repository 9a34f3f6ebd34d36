"""What an apply had begun to make when it was stopped: kept in mind, found in the account again, and adopted.

Terraform saves what it was making as tainted, but for a few types the provider only learns the id after a wait: a
Ctrl-C during that wait leaves an object in the account that no state tells of, and the next apply fails on its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    """The id under which a resource with these arguments can be imported; None when the account has none.

    ``arguments`` are those that the plan would make it with, so that what is found is what was begun.
    """
    return FINDERS[type](session, arguments)


def _launch_template(session: Session, arguments: dict) -> str | None:
    try:
        found = session.client("ec2").describe_launch_templates(LaunchTemplateNames=[arguments["name"]])["LaunchTemplates"]
    except Exception as error:
        if error_code(error) == "InvalidLaunchTemplateName.NotFoundException":
            return None
        raise
    return found[0]["LaunchTemplateId"] if found else None


# The types of our stack that were seen to get lost when an apply was stopped in order.
FINDERS: dict[str, Callable[[Session, dict], str | None]] = {
    "aws_launch_template": _launch_template,
}


def _file(settings: Settings) -> Path:
    return settings.local_dir / "runs" / settings.workspace / "unfinished.json"
