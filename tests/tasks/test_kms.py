"""The kms tasks on their command line, as far as they need no stack."""

from __future__ import annotations

import json

import boto3
import pytest

ACCOUNT = "000000000000"


@pytest.fixture
def alias(embedded, slug):
    """One of this test's own, with no key behind it."""
    return f"alias/{slug}"


@pytest.fixture
def invoke_kms(invoke, embedded, alias):
    file = invoke.folder / "workspaces" / "local.tfvars"
    file.write_text(f'{file.read_text()}\nparameter_store_key_alias = "{alias}"\n')
    return lambda *words: invoke(*words, AWS_ENDPOINT_URL=embedded.endpoint)


def test_status_answers_0_that_there_is_no_key_and_names_what_makes_one(invoke_kms, embedded, alias, slug):
    answer = invoke_kms("kms.status")
    assert answer.returncode == 0, answer.stderr
    assert alias in answer.stdout and "absent" in answer.stdout and "invoke kms.create" in answer.stderr
    aws = boto3.Session(ACCOUNT, "any", region_name="ap-southeast-2")
    kms, ssm = (aws.client(service, endpoint_url=embedded.endpoint) for service in ("kms", "ssm"))
    kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    ssm.put_parameter(Name=f"/{slug}/api_key", Value="x", Type="SecureString", KeyId=alias)
    kms.delete_alias(AliasName=alias)  # by hand
    answer = invoke_kms("kms.status", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert {name: found[name] for name in ("alias", "key_id", "state", "managed")} == {
        "alias": alias, "key_id": None, "state": "absent", "managed": False}
    assert found["services"] == [slug] and found["held_by"] == found["unread"] == found["other_aliases"] == []


def test_where_the_alias_was_taken_away_no_second_key_is_made_without_being_asked_for(invoke_kms, embedded, alias, slug):
    """What the first one encrypts is still there and could not be read; every project would get the new one."""
    assert invoke_kms("bootstrap").returncode == 0
    aws = boto3.Session(ACCOUNT, "any", region_name="ap-southeast-2")
    kms, ssm = (aws.client(service, endpoint_url=embedded.endpoint) for service in ("kms", "ssm"))
    key = kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name=f"/{slug}/api_key", Value="x", Type="SecureString", KeyId=alias)
    kms.delete_alias(AliasName=alias)
    before = len(kms.list_keys()["Keys"])
    for words in (("bootstrap",), ("deploy", "--yes")):
        refused = invoke_kms(*words)
        assert refused.returncode == 3, refused.stderr
        assert f"the secrets of {slug} name it" in refused.stderr and f"create-alias --alias-name {alias}" in refused.stderr
        assert "run: invoke kms.create" in refused.stderr
    assert len(kms.list_keys()["Keys"]) == before
    kms.create_alias(AliasName=alias, TargetKeyId=key)  # as it says
    assert invoke_kms("bootstrap").returncode == 0
    kms.delete_alias(AliasName=alias)
    asked = invoke_kms("kms.create")
    assert asked.returncode == 3 and "A new one reads none of it" in asked.stderr and "add --yes" in asked.stderr
    assert invoke_kms("kms.create", "--yes").returncode == 0 and invoke_kms("bootstrap").returncode == 0
