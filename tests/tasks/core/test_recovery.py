"""What a stopped apply had begun: kept in mind, and found in the account again."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tasks.core import recovery, runs


def ignore(event: dict) -> None:
    pass


def started(address: str, kind: str = "apply_start", action: str = "create") -> dict:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action}}


def test_what_was_begun_and_not_completed_is_known_in_its_order():
    events = [{"type": "version"}, started("b"), started("a"), started("c"), started("a", "apply_complete"),
              started("c", "apply_errored"), started("r", action="read"), started("u", action="update")]
    assert recovery.unfinished(events) == ["b", "c"]


@pytest.mark.parametrize("code", [0, 1])
def test_it_is_kept_in_mind_until_an_apply_succeeds(local, code):
    def ended(code: int, *addresses: str) -> runs.Run:
        script = "import json, sys\n" + "".join(f"print({json.dumps(started(each))!r})\n" for each in addresses)
        run = runs.start(local, "apply", [sys.executable, "-c", f"{script}sys.exit({code})"], dict(os.environ))
        runs.follow(run, ignore)
        recovery.note(local, run)
        return run

    ended(1, "b")
    ended(1, "a", "b")
    assert recovery.noted(local) == ["a", "b"]
    ended(code, "c")
    assert recovery.noted(local) == ([] if code == 0 else ["a", "b", "c"])


def test_a_launch_template_is_found_by_the_name_that_it_would_have(aws, client, slug):
    assert recovery.find(aws, "aws_launch_template", {"name": slug}) is None
    made = client("ec2").create_launch_template(LaunchTemplateName=slug, LaunchTemplateData={"InstanceType": "t3.micro"})
    assert recovery.find(aws, "aws_launch_template", {"name": slug}) == made["LaunchTemplate"]["LaunchTemplateId"]
