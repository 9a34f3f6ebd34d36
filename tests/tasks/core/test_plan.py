"""What a plan says, read from the event streams of a real Terraform."""

from __future__ import annotations

import json
import os

import pytest

from tasks.core import plan as plans
from tasks.core import runs
from tasks.core.console import Refused
from tasks.core.plan import Change, Plan
from tasks.core.progress import Progress
from tasks.core.session import Session
from tasks.core.terraform import Terraform

BEFORE = """
resource "terraform_data" "kept" { input = "same" }
resource "terraform_data" "updated" { input = "a" }
resource "terraform_data" "replaced" { triggers_replace = "a" }
resource "terraform_data" "follows" {
  lifecycle { replace_triggered_by = [terraform_data.replaced] }
}
resource "terraform_data" "tainted" {}
resource "terraform_data" "deleted" {}
resource "terraform_data" "forgotten" {}
resource "terraform_data" "old_name" {}
resource "terraform_data" "keyed" { for_each = toset(["x", "y"]) }
resource "terraform_data" "counted" { count = 2 }
output "changed" { value = "a" }
output "gone" { value = "a" }
output "same" { value = "a" }
"""
AFTER = """
resource "terraform_data" "kept" { input = "same" }
resource "terraform_data" "updated" { input = "b" }
resource "terraform_data" "replaced" { triggers_replace = "b" }
resource "terraform_data" "follows" {
  lifecycle { replace_triggered_by = [terraform_data.replaced] }
}
resource "terraform_data" "tainted" {}
resource "terraform_data" "new_name" {}
moved {
  from = terraform_data.old_name
  to   = terraform_data.new_name
}
removed {
  from = terraform_data.forgotten
  lifecycle { destroy = false }
}
resource "terraform_data" "keyed" { for_each = toset(["x"]) }
resource "terraform_data" "counted" { count = 1 }
resource "terraform_data" "created" {}
resource "terraform_data" "imported" {}
import {
  to = terraform_data.imported
  id = "an-id"
}
data "terraform_remote_state" "later" {
  backend    = "local"
  config     = { path = "none" }
  depends_on = [terraform_data.created]
}
output "changed" { value = "b" }
output "added" { value = "a" }
output "same" { value = "a" }
"""
ALL = {
    ("terraform_data.updated", "update", None),
    ("terraform_data.replaced", "replace", "cannot be changed in place"),
    ("terraform_data.follows", "replace", "follows what it is made from"),
    ("terraform_data.tainted", "replace", "its creation was interrupted"),
    ("terraform_data.deleted", "delete", "no longer in the configuration"),
    ("terraform_data.forgotten", "forget", "no longer in the configuration"),
    ("terraform_data.new_name", "move", None),
    ('terraform_data.keyed["y"]', "delete", "its key is gone"),
    ("terraform_data.counted[1]", "delete", "its index is gone"),
    ("terraform_data.created", "create", None),
    ("terraform_data.imported", "import", None),
}


@pytest.fixture
def everything(stack, applied, planned, local) -> Plan:
    """A real plan that does everything that a plan can do."""
    made = stack(BEFORE)
    applied(made)
    made.run("taint", "terraform_data.tainted")
    (local.root / "main.tf").write_text(AFTER)
    _, events = planned(made)
    return plans.read(events)


def change(
    action="replace", type="aws_db_instance", address="module.database_layer.aws_db_instance.default", **more
) -> Change:
    return Change(address, type, action, type in plans.STATEFUL, **more)


def test_each_change_of_a_real_plan_is_what_terraform_says(everything):
    assert {(made.address, made.action, made.reason) for made in everything.changes} == ALL
    by_address = {made.address: made for made in everything.changes}
    assert by_address["terraform_data.imported"].imported == "an-id"
    assert by_address["terraform_data.new_name"].previous_address == "terraform_data.old_name"
    assert everything.summary == {"create": 1, "update": 1, "replace": 3, "delete": 3, "import": 1, "forget": 1, "move": 1,
                                  "output": 3}
    assert not everything.empty


def test_the_steps_of_a_plan_are_what_its_apply_tells(everything, local):
    """The denominator of the progress: counted here from the apply of that very plan."""
    progress = Progress(everything.steps)
    run = Terraform(Session(local, dict(os.environ), None)).apply(local.root / "test.tfplan", "")
    runs.follow(run, progress.feed)
    assert progress.done == everything.steps == 1 + 1 + 3 * 2 + 3


def test_a_plan_without_changes_is_empty(stack, applied, planned):
    made = stack(BEFORE)
    applied(made)
    _, events = planned(made)
    assert plans.read(events).empty


def test_a_drift_is_not_a_change(stack, applied, planned):
    made = stack(BEFORE)
    applied(made)
    _, events = planned(made)
    drift = {
        "type": "resource_drift",
        "change": {"resource": {"addr": "x", "resource_type": "aws_db_instance"}, "action": "delete"},
    }
    assert plans.read([*events, drift]).empty


def test_only_outputs_may_change(stack, applied, planned, local):
    made = stack('output "one" { value = 1 }')
    applied(made)
    (local.root / "main.tf").write_text('output "one" { value = 2 }')
    _, events = planned(made)
    read = plans.read(events)
    assert (read.changes, read.outputs, read.empty) == ((), 1, False)


def test_an_import_that_changes_something_counts_as_both():
    plan = Plan(
        (
            change("update", "aws_kms_key", "k", imported="1-2"),
            change("import", "aws_kms_alias", "a", imported="alias/x"),
        )
    )
    assert (plan.summary["update"], plan.summary["import"]) == (1, 2)


def test_the_json_of_a_plan_has_the_contracts_keys(everything):
    content = everything.as_dict()
    assert set(content) == {"summary", "changes"}
    assert list(content["summary"]) == ["create", "update", "replace", "delete", "import", "forget", "move", "output"]
    for made in content["changes"]:
        assert set(made) == {"address", "type", "action", "stateful", "reason", "imported", "previous_address"}
    again = plans.from_dict(json.loads(json.dumps(content)))
    assert again.as_dict() == content and again.outputs == 3


@pytest.mark.parametrize("type", ["aws_db_instance", "aws_efs_file_system", "aws_kms_key", "aws_kms_alias", "aws_s3_bucket",
                                  "aws_ecr_repository", "aws_cloudwatch_log_group"])
@pytest.mark.parametrize("action", ["replace", "delete"])
def test_what_keeps_data_is_refused_until_each_is_named(type, action):
    lost = change(action, type, 'module.x["a"].y.z'), change(action, type, "module.x.y.second")
    plan = Plan((*lost, change("create", type, "c"), change("update", type, "u"), change("forget", type, "f")))
    for allowed in ((), [lost[0].address], ["module.x", "c"]):
        with pytest.raises(Refused) as refused:
            plan.require_data_kept(allowed, run="invoke apply")
        assert refused.value.code == 3
        named = [made.address for made in lost if made.address not in allowed]
        assert all(address in refused.value.message for address in named)
        assert refused.value.run == "invoke apply " + " ".join(f"--allow-replace '{address}'" for address in named)
    plan.require_data_kept([made.address for made in lost])


def test_what_keeps_no_data_may_go():
    Plan((change("replace", "aws_launch_template", "a"), change("delete", "aws_lb", "b"))).require_data_kept()


def test_what_is_adopted_is_not_replaced_at_once():
    """`deploy` and `recover` would else end what they have just found again."""
    kept = change("update", "aws_kms_key", "k", imported="1-2"), change("replace", "aws_lb", "of nobody else")
    Plan(kept).require_adopted_kept()
    with pytest.raises(Refused, match="would replace what it adopts: aws_lb.x. It is not as the configuration") as refused:
        Plan((*kept, change("replace", "aws_lb", "aws_lb.x", imported="arn:1"))).require_adopted_kept()
    assert refused.value.code == 3


def test_recover_loses_nothing_but_what_the_adopted_takes_the_place_of():
    harmless = (change("import", "aws_lb", "a", imported="arn:1"), change("update", "aws_lb", "b"),
                change("create", "aws_lb", "c"), change("forget", "aws_lb", "d"),
                change("delete", "aws_lb", "e", imported="arn:2"))  # the deposed one that the found one was made for
    Plan(harmless).require_nothing_lost()
    for lost in (change("delete", "aws_lb", "x"), change("replace", "aws_lb", "x"),
                 change("replace", "aws_lb", "x", imported="arn:3")):
        with pytest.raises(Refused) as refused:
            Plan((*harmless, lost)).require_nothing_lost()
        assert refused.value.message == f"This plan would not only adopt: x ({lost.action}). Nothing was changed."


@pytest.mark.parametrize("action", [action for action in plans.ACTIONS if action != "import"])
def test_who_only_adopts_does_nothing_else(action):
    adopted = change("import", "aws_kms_key", "k", imported="1-2")
    Plan((adopted,), outputs=1).require_nothing_changed()
    with pytest.raises(Refused) as refused:
        Plan((adopted, change(action, "aws_lb", "x"))).require_nothing_changed()
    assert refused.value.message == f"This plan would not only adopt: x ({action}). Nothing was changed."
    assert refused.value.code == 3


def test_what_loses_data_stands_first_then_what_goes_then_the_rest():
    plan = Plan((
        change("create", "aws_lb", "b"), change("create", "aws_lb", "a"), change("update", "aws_db_instance", "c"),
        change("delete", "aws_lb", "d"), change("replace", "aws_lb", "e"), change("replace", "aws_kms_key", "z"),
        change("move", "aws_lb", "f"), change("import", "aws_lb", "g"), change("forget", "aws_db_instance", "h"),
    ))  # fmt: skip
    assert "".join(made.address for made in plan.most_careful_first()) == "zdehcabgf"


def test_only_data_whose_creation_was_interrupted_is_healed():
    tainted = plans.REASONS["tainted"]
    healed = change(reason=tainted)
    plan = Plan((healed, change(reason="cannot be changed in place"), change("replace", "aws_lb", "x", reason=tainted)))
    assert plan.tainted_data() == [healed]
