"""What a destroy keeps, and a plan that would not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tasks.core import log_adoption
from tasks.core.console import Refused
from tasks.core.plan import Change, Plan
from tasks.core.state_file import Resource, State
from tasks.core.teardown import kept

KEY = Resource("module.ecs_policy.aws_kms_key.parameter_store_key", "aws_kms_key", {"id": "k", "key_id": "k"})
ALIAS = Resource("module.ecs_policy.aws_kms_alias.parameter_store_key", "aws_kms_alias", {"name": "alias/x"})
DMESG = Resource("module.ec2_instances.aws_cloudwatch_log_group.dmesg", "aws_cloudwatch_log_group",
                 {"name": "/var/log/dmesg", "retention_in_days": 30})
OWS, WCS = (Resource(f'module.ecs["{name}"].aws_cloudwatch_log_group.service', "aws_cloudwatch_log_group",
                     {"name": f"/apps/{name}", "retention_in_days": 0}) for name in ("ows", "wcs"))
STATE = State(1, "x", (KEY, ALIAS, DMESG, OWS, WCS, Resource("aws_ecs_cluster.cluster", "aws_ecs_cluster", {})), {})
NOBODY = SimpleNamespace()


@pytest.fixture
def only_ours(monkeypatch):
    """`only_ours(*resources)`: these log groups are held by no other state."""
    return lambda *ours: monkeypatch.setattr(log_adoption, "ours_alone", lambda session, resources: list(ours))


def addresses(found) -> set[str]:
    return {each.address for each in found}


def test_key_alias_and_every_log_group_stay_unless_told_otherwise():
    found = kept.choose(NOBODY, STATE, delete_logs=False)
    assert addresses(found) == {each.address for each in (KEY, ALIAS, DMESG, OWS, WCS)}
    why = {each.address: each.why for each in found}
    assert why[DMESG.address].startswith("empties itself within 30 days")
    assert why[OWS.address].startswith("never empties itself")


def test_logs_that_are_only_ours_go_when_that_is_asked_for(only_ours):
    only_ours(OWS, WCS)
    found = kept.choose(NOBODY, STATE, delete_logs=True)
    assert addresses(found) == {KEY.address, ALIAS.address, DMESG.address}


def test_what_somebody_else_holds_keeps_the_other_instances_of_its_block(only_ours):
    """Terraform forgets a block whole: were the other one deleted, the shared one would be deleted with it."""
    only_ours(DMESG, OWS)
    found = kept.choose(NOBODY, STATE, delete_logs=True)
    assert addresses(found) == {KEY.address, ALIAS.address, OWS.address, WCS.address}
    assert kept.configured(found, STATE) == {KEY.address, ALIAS.address, "module.ecs.aws_cloudwatch_log_group.service"}


@pytest.mark.parametrize("change", [
    Change(KEY.address, KEY.type, "delete", True),
    Change("module.elsewhere.aws_kms_key.second", "aws_kms_key", "delete", True),
    Change(DMESG.address, DMESG.type, "delete", True),
    Change("aws_ecs_cluster.cluster", "aws_ecs_cluster", "create", False),
    Change("aws_ecs_cluster.cluster", "aws_ecs_cluster", "update", False),
    Change("aws_ecs_cluster.cluster", "aws_ecs_cluster", "replace", False),
], ids=lambda change: f"{change.action} {change.type}")
def test_a_plan_that_does_anything_else_is_refused(change):
    staying = kept.choose(NOBODY, STATE, delete_logs=False)
    with pytest.raises(Refused, match=change.action):
        kept.require_as_chosen(Plan((change,)), staying)


def test_a_plan_that_deletes_and_forgets_is_taken():
    plan = Plan((Change(KEY.address, KEY.type, "forget", True),
                 Change("aws_ecs_cluster.cluster", "aws_ecs_cluster", "delete", False)))
    kept.require_as_chosen(plan, kept.choose(NOBODY, STATE, delete_logs=False))
