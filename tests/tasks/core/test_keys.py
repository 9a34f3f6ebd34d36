"""The key behind chamber's alias: made once, shared, and refused when no secret under it could be read."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import keys, session, settings
from tasks.core.console import Refused, TookTooLong
from tasks.core.keys import KeyState
from tasks.core.state_file import Resource, State


def aliases(client, alias: str) -> list[dict]:
    pages = client("kms").get_paginator("list_aliases").paginate()
    return [found for page in pages for found in page["Aliases"] if found["AliasName"] == alias]


class Page(dict):
    """A paginator of one page."""

    def paginate(self, **_) -> list[dict]:
        return [self]


def all_keys(client) -> set[str]:
    return {found["KeyId"] for found in client("kms").list_keys(Limit=1000)["Keys"]}


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
    before = all_keys(client)
    assert keys.create(aws) == first
    [extra] = all_keys(client) - before
    assert client("kms").describe_key(KeyId=extra)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert client("kms").describe_key(KeyId=first.id)["KeyMetadata"]["KeyState"] == "Enabled"


class Killed(BaseException):
    """As if the task had ended there."""


def killed(**_):
    raise Killed


def test_a_key_that_was_left_without_its_alias_is_taken_up_and_no_second_one_made(aws, client, monkeypatch):
    before, kms = all_keys(client), aws.client("kms")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(kms, "create_alias", killed)
        patched.setattr(session.Session, "client", lambda *_: kms)
        keys.create(aws)
    [left] = all_keys(client) - before
    assert keys.find(aws) is None
    assert keys.create(aws).id == left and all_keys(client) - before == {left}
    assert keys.rotation(aws, keys.find(aws)) == "on"


@pytest.mark.parametrize("differs", ["project", "alias", "description", "state"])
def test_a_key_that_is_not_exactly_that_is_left_alone(aws, client, differs):
    """Another project's, one for another alias, one of a person's, one that is on its way out."""
    tags = {"Created_by": "another" if differs == "project" else aws.settings.project.slug,
            "Alias": "alias/another" if differs == "alias" else aws.settings.key_alias}
    theirs = client("kms").create_key(
        Description="mine" if differs == "description" else keys.DESCRIPTION,
        Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()])["KeyMetadata"]["KeyId"]
    if differs == "state":
        client("kms").schedule_key_deletion(KeyId=theirs)
    assert keys.create(aws).id != theirs


def test_a_key_that_may_not_be_looked_at_is_not_taken_up(local):
    """As on AWS where a key's policy leaves others out; the embedded AWS asks no policy."""
    aws = CannedAws(local, describe_key=refusal("AccessDeniedException"))
    aws.get_paginator = {"list_keys": Page(Keys=[{"KeyId": "theirs"}]), "list_aliases": Page(Aliases=[])}.get
    assert keys._left_behind(aws) is None


def test_rotation_is_on_or_off_or_not_possible(aws, client, local):
    key = keys.create(aws)
    assert keys.rotation(aws, key) == "on"
    client("kms").disable_key_rotation(KeyId=key.id)
    assert keys.rotation(aws, key) == "off"
    canned = CannedAws(local, get_key_rotation_status=refusal("UnsupportedOperationException"))
    assert keys.rotation(canned, key) == "not possible"
    dying = CannedAws(local, get_key_rotation_status=refusal("KMSInvalidStateException"))
    assert keys.rotation(dying, key) == "off"


def test_imported_material_is_told_and_never_rotates_by_itself(aws, client):
    made = client("kms").create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    client("kms").create_alias(AliasName=aws.settings.key_alias, TargetKeyId=made)
    key = keys.find(aws)
    assert (key.origin, keys.rotation(aws, key)) == ("EXTERNAL", "not possible")


def test_other_aliases_of_the_key_are_told(aws, client, slug):
    key = keys.create(aws)
    assert keys.other_aliases(aws, key) == []
    client("kms").create_alias(AliasName=f"alias/other-{slug}", TargetKeyId=key.id)
    assert keys.other_aliases(aws, key) == [f"alias/other-{slug}"]


def test_a_plan_wants_a_key_that_is_there_that_can_be_used_and_that_is_the_states(aws, client):
    def state(id: str | None) -> State:
        held = () if id is None else (Resource(keys.ADDRESS, "aws_kms_key", {"key_id": id}),)
        return State(1, "x", held, {})

    with pytest.raises(Refused, match="There is no alias/") as refused:
        keys.require_plannable(aws, state(None))
    assert refused.value.run == "invoke bootstrap"
    key = keys.create(aws)
    assert keys.require_plannable(aws, state(None)) == keys.require_plannable(aws, state(key.id)) == key
    with pytest.raises(Refused, match=f"leads to the key {key.id}, but this project's state holds the key 1-2-3") as refused:
        keys.require_plannable(aws, state("1-2-3"))
    assert refused.value.run == "invoke kms.forget"
    client("kms").disable_key(KeyId=key.id)
    with pytest.raises(Refused, match="is disabled") as refused:
        keys.require_plannable(aws, state(key.id))
    assert refused.value.run == "invoke kms.rescue"


def test_another_alias_in_the_state_is_not_deleted_by_the_way(aws):
    key = keys.create(aws)
    state = State(1, "x", (Resource(keys.ALIAS_ADDRESS, "aws_kms_alias", {"name": "alias/before"}),), {})
    with pytest.raises(Refused, match=f"names {key.alias}, but this project's state holds alias/before") as refused:
        keys.require_same(aws, state, key)
    assert refused.value.run == "invoke kms.forget"


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


def described(state: str, **more) -> dict:
    return {"KeyMetadata": {"KeyId": "1-2-3", "Arn": "arn:aws:kms:r:0:key/1-2-3", "KeyState": state, **more}}


def test_a_key_that_aws_does_not_enable_at_once_is_asked_for_again(local, monkeypatch):
    """As on AWS, right after its deletion was cancelled: the embedded one is of one mind at once."""
    monkeypatch.setattr(keys.time, "sleep", lambda _: None)
    dying = {"DeletionDate": datetime(2030, 1, 1, tzinfo=timezone.utc)}
    aws = CannedAws(local, cancel_key_deletion={}, enable_key=[refusal("KMSInvalidStateException"), {}, {}], describe_key=[
        described("PendingDeletion", **dying), described("PendingDeletion", **dying), described("Disabled"),
        described("Enabled")])
    assert keys.rescue(aws, keys.find(aws)).state is KeyState.Enabled
    assert len(aws.calls("cancel_key_deletion")) == 1 and len(aws.calls("enable_key")) == 3


def test_a_key_that_stays_disabled_is_told_and_any_other_failure_is_one(local):
    aws = CannedAws(local, enable_key=refusal("KMSInvalidStateException"), describe_key=described("Disabled"))
    with pytest.raises(TookTooLong, match="was to be enabled, and still is disabled") as slow:
        keys.rescue(aws, keys.find(aws), patience=-1)
    assert slow.value.run == "invoke kms.rescue"
    aws = CannedAws(local, enable_key=refusal("AccessDeniedException"), describe_key=described("Disabled"))
    with pytest.raises(Exception, match="AccessDenied"):
        keys.rescue(aws, keys.find(aws))


@pytest.mark.parametrize("state, helps", [
    ("PendingImport", "import-key-material"), ("Unavailable", "connect-custom-key-store"), ("Creating", "in a minute"),
    ("Updating", "in a minute"), ("PendingReplicaDeletion", "the last of its replicas")])
def test_a_state_that_no_rescue_ends_has_a_sentence_of_its_own_and_rescue_tries_nothing(local, state, helps):
    aws = CannedAws(local, describe_key=described(state))  # keys in other regions, or in a store of somebody's own
    key = keys.find(aws)
    for stopped in (lambda: key.require_usable("invoke kms.rescue"), lambda: keys.rescue(aws, key)):
        with pytest.raises(Refused, match="no secret under it") as refused:
            stopped()
        assert helps in refused.value.message and refused.value.run is None
    assert {name for name, _ in aws.asked} == {"describe_key"}


def test_each_state_but_enabled_is_one_that_rescue_ends_or_has_its_sentence():
    assert set(KeyState) - set(keys.BEYOND_RESCUE) == {KeyState.Enabled, KeyState.Disabled, KeyState.PendingDeletion}


def test_every_state_of_the_api_has_a_word(aws):
    states = aws.client("kms").meta.service_model.shape_for("KeyState").enum
    assert {state.name for state in KeyState} == set(states)


def test_two_projects_of_an_account_share_the_key_of_one_alias(aws, root):
    first = keys.create(aws)
    text = (root / "invoke.yaml").read_text().replace(aws.settings.project.slug, "another")
    (root / "invoke.yaml").write_text(text)
    assert keys.find(session.connect(settings.load("local", root))) == first
