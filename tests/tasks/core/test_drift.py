"""What counts as a difference: what an apply would put back, told by names, without a secret.

The plans are written by hand in the form of ``terraform show -json``; tests/stack/test_drift.py has Terraform's own.
"""

from __future__ import annotations

from typing import Any

import pytest

from tasks.core import drift
from tasks.core.drift import Difference, Pending

GROUP, SERVICE = "aws_cloudwatch_log_group.dmesg", 'module.ecs["ows"].aws_ecs_service.service'


def change(address: str, actions: list[str], before: Any, after: Any, **more: Any) -> dict:
    return {"address": address, "change": {"actions": actions, "before": before, "after": after, "before_sensitive": {},
                                           "after_sensitive": {}, "after_unknown": {}, **more}}


def read(drifted=(), planned=()):
    return drift.read({"resource_drift": list(drifted), "resource_changes": list(planned)})


def changed(state: dict, account: dict, configured: dict, **more: Any):
    """One resource as the state, the account and the configuration have it."""
    planned = change(GROUP, ["update"], account, configured, **more)
    return read([change(GROUP, ["update"], state, account, **more)], [planned])


def test_a_changed_value_is_told_with_both():
    assert changed({"days": 30}, {"days": 7}, {"days": 30}) == ((Difference(GROUP, "changed", "days", 30, 7),), ())


def test_what_was_deleted_is_gone_and_nothing_is_pending_for_it():
    found = read([change(GROUP, ["delete"], {"name": "x"}, None)], [change(GROUP, ["create"], None, {"name": "x"})])
    assert found == ((Difference(GROUP, "gone"),), ())


def test_what_was_deleted_and_is_no_longer_configured_is_gone_too():
    assert read([change(GROUP, ["delete"], {"name": "x"}, None)]) == ((Difference(GROUP, "gone"),), ())


@pytest.mark.parametrize(("state", "account"), [(None, {}), (None, []), ("", None), ([], None)])
def test_values_that_the_provider_fills_in_are_no_difference(state, account):
    assert changed({"tags": state, "days": 30}, {"tags": account, "days": 30}, {"tags": state, "days": 60}) == (
        (), (Pending(GROUP, "update"),))


def test_what_no_apply_would_put_back_is_no_difference():
    """A time that moves by itself; a count that is the scaler's business."""
    moved = change(GROUP, ["update"], {"latest_restorable_time": "1"}, {"latest_restorable_time": "2"})
    assert read([moved], [change(GROUP, ["no-op"], {}, {})]) == ((), ())
    assert read([moved]) == ((), ())


def test_a_value_that_is_known_only_after_the_apply_is_not_put_back():
    moved = change(GROUP, ["update"], {"arn": "1"}, {"arn": "2"})
    planned = change(GROUP, ["delete", "create"], {"arn": "2"}, {}, after_unknown={"arn": True})
    assert read([moved], [planned]) == ((), (Pending(GROUP, "replace"),))


def test_a_changed_configuration_is_pending_and_no_difference():
    assert read(planned=[change(GROUP, ["update"], {"days": 30}, {"days": 60}), change(SERVICE, ["create"], None, {})]) == (
        (), (Pending(GROUP, "update"), Pending(SERVICE, "create")))


def test_of_one_resource_both_are_told():
    [difference], [pending] = changed({"days": 30, "class": "a"}, {"days": 7, "class": "a"}, {"days": 30, "class": "b"})
    assert difference.attribute == "days" and pending == Pending(GROUP, "update")


def test_an_import_and_a_forgotten_resource_are_pending():
    planned = [change(GROUP, ["no-op"], {}, {}, importing={"id": "x"}), change(SERVICE, ["forget"], {}, None)]
    assert read(planned=planned) == ((), (Pending(GROUP, "import"), Pending(SERVICE, "forget")))


def test_a_value_inside_a_block_is_told_by_its_place():
    state, account = {"rule": [{"days": 1, "name": "a"}]}, {"rule": [{"days": 2, "name": "a"}]}
    assert changed(state, account, state)[0] == (Difference(GROUP, "changed", "rule.days", 1, 2),)


def test_a_list_is_told_whole():
    state, account = {"zones": ["a", "b"]}, {"zones": ["b"]}
    assert changed(state, account, state)[0] == (Difference(GROUP, "changed", "zones", ["a", "b"], ["b"]),)


def test_a_tag_is_told_once_and_one_of_the_providers_too():
    state = {"tags": {"Name": "a"}, "tags_all": {"Name": "a", "Project": "p"}, "Name": "x"}
    account = {"tags": {"Name": "b"}, "tags_all": {"Name": "b"}, "Name": "y"}
    found, pending = changed(state, account, state)
    assert [one.attribute for one in found] == ["Name", "tags.Name", "tags.Project"] and not pending


def test_a_default_tag_that_was_changed_is_told_with_what_it_was():
    """To the resource it is a new tag of its own, over the provider's."""
    found, _ = changed({"tags": {}, "tags_all": {"Project": "p"}}, {"tags": {"Project": "q"}, "tags_all": {"Project": "q"}},
                       {"tags": {}, "tags_all": {"Project": "p"}})
    assert found == (Difference(GROUP, "changed", "tags.Project", "p", "q"),)


def test_a_tag_that_was_added_where_there_was_none_is_told_by_its_name():
    found, _ = changed({"tags": None, "tags_all": {}}, {"tags": {"Who": "me"}, "tags_all": {"Who": "me"}}, {"tags": None})
    assert found == (Difference(GROUP, "changed", "tags.Who", None, "me"),)


@pytest.mark.parametrize("marks", [{"value": True}, {"value": [True]}, True])
@pytest.mark.parametrize("where", ["before_sensitive", "after_sensitive"])
def test_a_sensitive_value_is_never_told(marks, where):
    found = changed({"value": ["secret-1"]}, {"value": ["secret-2", "secret-3"]}, {"value": ["secret-1"]}, **{where: marks})
    assert "secret" not in str(found)
    [one], _ = found
    assert (one.what, one.state, one.account) == ("changed", drift.HIDDEN, drift.HIDDEN)
