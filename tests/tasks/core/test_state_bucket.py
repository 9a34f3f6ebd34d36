"""The bucket of the states: each protection in force, nothing of others undone, and never somebody else's bucket."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from half_answering_aws import HalfAnsweringAws
from tasks.core import session as sessions
from tasks.core import state_bucket
from tasks.core.console import Refused
from tasks.core.session import Session


@pytest.fixture
def bucket(aws) -> dict[str, str]:
    """A bucket that was just made."""
    assert state_bucket.ensure(aws) is True
    return {"Bucket": aws.settings.state_bucket}


@pytest.fixture
def breaking_off(bucket, aws, client, monkeypatch):
    """`breaking_off(n)`: the session with an AWS whose first n answers end in the middle; an object is there."""
    client("s3").put_object(**bucket, Key="x", Body=b'{"a": 1}')
    monkeypatch.setattr(sessions, "PAUSES", (0, 0, 0, 0))
    with ExitStack() as until:
        yield lambda refusals: replace(aws, endpoint=until.enter_context(
            HalfAnsweringAws(aws.endpoint, refusals)).address)


def test_half_an_object_is_asked_for_again(breaking_off):
    assert state_bucket.read_json(breaking_off(2), "x") == {"a": 1}


def test_an_object_that_never_comes_whole_is_one_sentence(breaking_off):
    with pytest.raises(Exception) as raised:
        state_bucket.read(breaking_off(1000), "x")
    assert sessions.explain(raised.value).message.startswith("AWS's answer broke off")


def create(client, name: str, account: str = "000000000000") -> None:
    client("s3", account).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})


def test_it_is_made_in_the_workspaces_region(bucket, client):
    assert client("s3").get_bucket_location(**bucket)["LocationConstraint"] == "ap-southeast-2"


def test_it_bears_the_mark_by_which_bootstrap_remove_knows_it(bucket, client, slug):
    tags = {tag["Key"]: tag["Value"] for tag in client("s3").get_bucket_tagging(**bucket)["TagSet"]}
    assert tags == {"Created_by": slug, "Project": slug}


def test_it_keeps_every_version(bucket, client):
    assert client("s3").get_bucket_versioning(**bucket)["Status"] == "Enabled"


def test_it_is_encrypted(bucket, client):
    [rule] = client("s3").get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_it_is_closed_to_the_public(bucket, client):
    assert client("s3").get_public_access_block(**bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
    }  # fmt: skip
    assert client("s3").get_bucket_ownership_controls(**bucket)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]


def test_it_answers_over_tls_only(bucket, client):
    [statement] = json.loads(client("s3").get_bucket_policy(**bucket)["Policy"])["Statement"]
    arn = f"arn:aws:s3:::{bucket['Bucket']}"
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == [arn, f"{arn}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_old_versions_of_states_go_in_the_end_and_nothing_else_does(bucket, client):
    [rule] = client("s3").get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": "env:/"})
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert "Expiration" not in rule


def test_a_second_time_changes_nothing(bucket, aws, client):
    def look() -> list:
        s3 = client("s3")
        return [s3.get_bucket_policy(**bucket)["Policy"], s3.get_bucket_lifecycle_configuration(**bucket)["Rules"],
                s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]]

    before = look()
    assert state_bucket.ensure(aws) is False
    assert look() == before


@pytest.mark.parametrize("undo", [
    lambda s3, bucket: s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Suspended"}),
    lambda s3, bucket: s3.delete_bucket_policy(**bucket),
    lambda s3, bucket: s3.delete_bucket_lifecycle(**bucket),
    lambda s3, bucket: s3.delete_public_access_block(**bucket),
])
def test_what_somebody_took_away_comes_back(bucket, aws, client, undo):
    undo(client("s3"), bucket)
    state_bucket.ensure(aws)
    for check in (test_it_keeps_every_version, test_it_answers_over_tls_only, test_it_is_closed_to_the_public,
                  test_old_versions_of_states_go_in_the_end_and_nothing_else_does):
        check(bucket, client)


def test_a_bucket_of_ours_with_rules_of_its_own_keeps_them(aws, client):
    create(client, aws.settings.state_bucket)
    bucket, s3 = {"Bucket": aws.settings.state_bucket}, client("s3")
    statement = {"Sid": "Audit", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
                 "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket['Bucket']}/*"}
    s3.put_bucket_policy(**bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    rule = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": [rule]})
    kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/company"}
    s3.put_bucket_encryption(
        **bucket, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": kms}]}
    )

    for _ in range(2):
        assert state_bucket.ensure(aws) is False
        statements = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
        assert [each["Sid"] for each in statements] == ["Audit", "OnlyOverTLS"] and statements[0] == statement
        assert [each["ID"] for each in s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]] == [
            "logs",
            "old versions of states",
        ]
        [encrypted] = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert encrypted["ApplyServerSideEncryptionByDefault"] == kms


def test_somebody_elses_bucket_is_refused(aws, client):
    create(client, aws.settings.state_bucket, account="111111111111")
    for use in (state_bucket.exists, state_bucket.ensure):
        with pytest.raises(
            Refused, match=f"The bucket {aws.settings.state_bucket} is not account 000000000000's"
        ) as refused:
            use(aws)
        assert refused.value.code == 3


def test_a_name_that_is_taken_meanwhile_is_refused(aws, client, monkeypatch):
    create(client, aws.settings.state_bucket, account="111111111111")
    monkeypatch.setattr(state_bucket, "exists", lambda session: False)
    with pytest.raises(Refused, match="is taken by another account"):
        state_bucket.ensure(aws)


def test_a_bucket_that_somebody_of_ours_made_meanwhile_is_taken(aws, client, monkeypatch):
    create(client, aws.settings.state_bucket)
    monkeypatch.setattr(state_bucket, "exists", lambda session: False)
    state_bucket.ensure(aws)
    assert client("s3").get_bucket_versioning(Bucket=aws.settings.state_bucket)["Status"] == "Enabled"


def test_every_call_names_the_owner_that_is_expected(aws):
    calls: list[tuple[str, dict]] = []

    class Watched(Session):
        def client(self, service, region=None):
            made = super().client(service, region)
            made.meta.events.register(f"before-parameter-build.{service}", self.watch)
            return made

        @staticmethod
        def watch(params, model, **_):
            calls.append((model.name, params))

    watched = Watched(aws.settings, aws.environment, aws.endpoint)
    state_bucket.ensure(watched)
    state_bucket.object_age(watched, "x")
    assert len(calls) > 8
    assert {name for name, params in calls if params.get("ExpectedBucketOwner") != "000000000000"} == {"CreateBucket"}


def test_the_region_that_takes_no_location(aws, client):
    settings = replace(aws.settings, region="us-east-1")
    state_bucket.ensure(replace(aws, settings=settings))
    assert state_bucket.exists(replace(aws, settings=settings))


def test_the_age_of_an_object(bucket, aws, client):
    assert state_bucket.object_age(aws, "env:/local/x.tflock") is None
    client("s3").put_object(**bucket, Key="env:/local/x.tflock", Body=b"")
    assert timedelta(seconds=-2) < state_bucket.object_age(aws, "env:/local/x.tflock") < timedelta(minutes=1)
    assert state_bucket.object_age(replace(aws, settings=replace(aws.settings, account="000000000000")), "other") is None
