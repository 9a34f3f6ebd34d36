"""The key behind chamber's alias: made once, shared, and refused when no secret under it could be read."""

from __future__ import annotations

import threading

import pytest

from tasks.core import keys, session, settings
from tasks.core.console import Refused
from tasks.core.keys import KeyState


def aliases(client, alias: str) -> list[dict]:
    pages = client("kms").get_paginator("list_aliases").paginate()
    return [found for page in pages for found in page["Aliases"] if found["AliasName"] == alias]


def test_no_alias_is_no_key(aws):
    assert keys.find(aws) is None


def test_a_key_is_made_with_alias_rotation_and_the_projects_name(aws, client):
    key = keys.create(aws)
    assert key == keys.find(aws)
    assert (key.alias, key.state) == (aws.settings.key_alias, KeyState.Enabled)
    assert client("kms").get_key_rotation_status(KeyId=key.id)["KeyRotationEnabled"]
    assert {"TagKey": "Created_by", "TagValue": aws.settings.project.slug} in client("kms").list_resource_tags(
        KeyId=key.id
    )["Tags"]
    assert not key.id.startswith("arn:")
    key.require_usable("invoke kms.rescue")


def test_a_key_that_somebody_made_meanwhile_is_taken_and_ours_goes(aws, client):
    first = keys.create(aws)
    before = {found["KeyId"] for found in client("kms").list_keys(Limit=1000)["Keys"]}
    assert keys.create(aws) == first
    [extra] = {found["KeyId"] for found in client("kms").list_keys(Limit=1000)["Keys"]} - before
    assert client("kms").describe_key(KeyId=extra)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert client("kms").describe_key(KeyId=first.id)["KeyMetadata"]["KeyState"] == "Enabled"


def test_many_at_once_end_with_one_key_that_can_be_used(aws, client):
    found: list[keys.Key] = []
    threads = [threading.Thread(target=lambda: found.append(keys.create(aws))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len({key.id for key in found}) == 1
    assert len(aliases(client, aws.settings.key_alias)) == 1
    keys.find(aws).require_usable("invoke kms.rescue")


def test_a_key_that_is_to_be_deleted_is_refused_with_the_day_and_the_rescue(aws, client):
    key = keys.create(aws)
    dies = client("kms").schedule_key_deletion(KeyId=key.id, PendingWindowInDays=7)["DeletionDate"]
    found = keys.find(aws)
    assert found.state is KeyState.PendingDeletion
    with pytest.raises(Refused, match=f"is to be deleted on {dies:%Y-%m-%d}, and every secret under it") as refused:
        found.require_usable("invoke kms.rescue")
    assert refused.value.code == 3 and refused.value.run == "invoke kms.rescue"


def test_a_disabled_key_is_refused_with_what_enables_it(aws, client):
    key = keys.create(aws)
    client("kms").disable_key(KeyId=key.id)
    with pytest.raises(Refused, match="is disabled: no secret under it can be read") as refused:
        keys.find(aws).require_usable("invoke kms.rescue")
    assert refused.value.run == "invoke kms.rescue"


@pytest.mark.parametrize("harm", ["disable_key", "schedule_key_deletion"])
def test_a_rescued_key_can_be_used_again(aws, client, harm):
    key = keys.create(aws)
    getattr(client("kms"), harm)(KeyId=key.id)
    assert keys.rescue(aws, keys.find(aws)) == key


def test_every_state_of_the_api_has_a_word(aws):
    states = aws.client("kms").meta.service_model.shape_for("KeyState").enum
    assert {state.name for state in KeyState} == set(states)


def test_two_projects_of_an_account_share_the_key_of_one_alias(aws, root):
    first = keys.create(aws)
    text = (root / "invoke.yaml").read_text().replace(aws.settings.project.slug, "another")
    (root / "invoke.yaml").write_text(text)
    assert keys.find(session.connect(settings.load("local", root))) == first
