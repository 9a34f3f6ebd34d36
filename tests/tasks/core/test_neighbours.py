"""Whose state manages an object: other buckets, other workspaces, and what may not be read."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3
import pytest

from canned_aws import CannedAws, refusal
from half_answering_aws import HalfAnsweringAws
from tasks.core import neighbours, state_bucket
from tasks.core import session as sessions
from tasks.core.neighbours import Neighbour

KEY = {"type": "aws_kms_key", "name": "parameter_store_key", "module": "module.ecs_policy"}


def state(*resources: dict, version: int = 4) -> bytes:
    return json.dumps({"version": version, "serial": 1, "lineage": "x", "outputs": {}, "resources": [
        {"mode": "managed", "provider": "p", **{key: value for key, value in each.items() if key != "attributes"},
         "instances": [{"attributes": each["attributes"]}]} for each in resources]}).encode()


@pytest.fixture
def put(aws, root, client, slug):
    """`put(bucket, key, state)`; the workspace's bucket and one of another project are there."""
    (root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    state_bucket.ensure(aws)
    other = f"other-{slug}-state-000000000000-ap-southeast-2"
    client("s3").create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})

    def write(bucket: str, key: str, body: bytes) -> None:
        client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    write.own, write.other = aws.settings.state_bucket, other
    yield write
    for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=other):
        for entry in page.get("Contents", ()):
            client("s3").delete_object(Bucket=other, Key=entry["Key"])
    client("s3").delete_bucket(Bucket=other)


def test_the_own_state_is_no_neighbour_another_workspace_and_another_project_are(aws, put, slug):
    for bucket, key in ((put.own, "env:/local/own/terraform.tfstate"), (put.own, "env:/dev/own/terraform.tfstate"),
                        (put.other, "env:/local/theirs/deep/terraform.tfstate")):
        put(bucket, key, state({**KEY, "attributes": {"id": slug, "key_id": slug}}))
    found = neighbours.holders(aws, "aws_kms_key", slug)
    assert found == [Neighbour(put.other, "local", "theirs/deep/terraform.tfstate"),
                     Neighbour(put.own, "dev", "own/terraform.tfstate")]
    assert str(found[1]) == f"{put.own}: dev (own/terraform.tfstate)"
    assert neighbours.holders(aws, "aws_kms_alias", slug) == neighbours.holders(aws, "aws_kms_key", "another") == []


def test_half_a_state_is_asked_for_again(aws, put, slug, monkeypatch):
    monkeypatch.setattr(sessions, "PAUSES", (0, 0))
    put(put.other, "env:/local/x", state({**KEY, "attributes": {"id": slug}}))
    with HalfAnsweringAws(aws.endpoint, refusals=2) as half:
        found = neighbours._resources(replace(aws, endpoint=half.address).client("s3"), put.other, "env:/local/x", [])
    assert [each.attributes["id"] for each in found] == [slug] and half.refused == 2


def test_a_key_that_was_imported_by_its_arn_is_the_same_key(aws, put, slug):
    arn = f"arn:aws:kms:ap-southeast-2:000000000000:key/{slug}"
    attributes = {"id": arn, "arn": arn, "key_id": slug}
    put(put.other, "env:/local/theirs/terraform.tfstate", state({**KEY, "attributes": attributes}))
    assert [each.workspace for each in neighbours.holders(aws, "aws_kms_key", slug)] == ["local"]


def test_the_state_of_the_default_workspace_is_one_too_wherever_it_lies(aws, put, slug):
    """Terraform puts it at the backend's key itself; another workspace_key_prefix than env: looks like one as well."""
    for key in ("terraform.tfstate", "their/deep/x.tfstate"):
        put(put.other, key, state({**KEY, "attributes": {"id": slug}}))
    assert neighbours.holders(aws, "aws_kms_key", slug) == [
        Neighbour(put.other, "default", "terraform.tfstate"), Neighbour(put.other, "default", "their/deep/x.tfstate")]


@pytest.mark.parametrize("project, made_by, found", [
    ("theirs", "theirs", True), ("theirs", "terraform", False), ("theirs", "somebody", False), (None, "theirs", False)])
def test_a_bucket_of_any_name_is_found_by_the_tags_of_bootstrap_and_by_no_others(aws, put, client, slug, project, made_by,
                                                                                 found):
    """A stack's own buckets bear Created_by = terraform; whole companies tag what they have with either word."""
    bucket, s3 = f"any-{slug}", client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [
        {"Key": name, "Value": value} for name, value in (("Created_by", made_by), ("Project", project)) if value]})
    try:
        put(bucket, "env:/prod/theirs/terraform.tfstate", state({**KEY, "attributes": {"id": slug}}))
        assert bool(neighbours.holders(aws, "aws_kms_key", slug)) == found
        assert neighbours.look(aws).unread == ()
    finally:
        s3.delete_object(Bucket=bucket, Key="env:/prod/theirs/terraform.tfstate")
        s3.delete_bucket(Bucket=bucket)


def test_a_bucket_of_another_region_is_not_even_asked(aws, put):
    far = boto3.Session("000000000000", "any", region_name="eu-west-1").client("s3", endpoint_url=aws.endpoint)
    bucket = f"far-{put.other}"
    far.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    try:
        assert put.other in (found := neighbours._buckets(aws.client("s3"), aws, [])) and bucket not in found
    finally:
        far.delete_bucket(Bucket=bucket)


def test_what_lies_beside_the_states_is_none(aws, put):
    for key in ("env:/local/theirs/terraform.tfstate.tflock", "env:/local/theirs/database.json", "env:/stray", "x.tflock"):
        put(put.other, key, b"{}")
    put(put.other, "env:/local/theirs/notes", b"no JSON")
    around = neighbours.look(aws)
    assert not [each for each, _ in around.states if each.bucket == put.other] and around.unread == ()


def test_a_format_that_is_not_known_is_told_and_not_guessed(aws, put):
    put(put.other, "env:/local/theirs/terraform.tfstate", state(version=5))
    assert f"{put.other}/env:/local/theirs/terraform.tfstate (The state has format 5" in neighbours.look(aws).unread[0]


def test_what_is_named_like_a_state_and_cannot_be_read_as_one_is_told(aws, put):
    """One that OpenTofu has encrypted, for instance: it may hold anything."""
    put(put.other, "x.tfstate", b"\x00 no JSON")
    put(put.other, "y.tfstate", b'{"encrypted_data": "x", "encryption_version": "v0"}')
    first, second = neighbours.look(aws).unread
    assert first == f"{put.other}/x.tfstate (it cannot be read as a state)" and second.startswith(f"{put.other}/y.tfstate (")


class Pages:
    def __init__(self, *pages):
        self.pages = pages

    def paginate(self, **_):
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page


@pytest.mark.parametrize("denied", ["list_buckets", "get_bucket_tagging", "list_objects_v2", "get_object"])
def test_what_may_not_be_read_is_told(local, denied):
    """The embedded AWS of the tests asks nobody whether he may."""
    (local.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    bucket, key = local.state_bucket, "env:/dev/own/terraform.tfstate"
    pages = {"list_buckets": Pages({"Buckets": [{"Name": "theirs"}]}),
             "list_objects_v2": Pages({"Contents": [{"Key": key}]}),
             denied: Pages(refusal("AccessDenied"))}
    aws = CannedAws(local, **{"get_object": refusal("NoSuchKey"), "get_bucket_tagging": refusal("NoSuchTagSet"),
                              denied: refusal("AccessDenied")})
    aws.get_paginator = pages.get
    told = {"list_buckets": "the list of the account's buckets", "list_objects_v2": bucket, "get_object": f"{bucket}/{key}",
            "get_bucket_tagging": "the tags of the buckets theirs"}
    assert neighbours.look(aws).unread == (told[denied],)


def test_what_is_too_much_to_look_through_is_told(local, monkeypatch):
    """Hundreds of buckets, and one with a million objects that are no states: more than the tests' AWS is filled with."""
    (local.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    monkeypatch.setattr(neighbours, "MOST_PAGES", 2)
    names = [f"b{number:03}" for number in range(neighbours.MOST_BUCKETS + 4)]
    page = {"Contents": [{"Key": "a/picture.tif"}]}
    pages = {"list_buckets": Pages({"Buckets": [{"Name": name} for name in names]}),
             "list_objects_v2": Pages(page, page, page)}
    aws = CannedAws(local, get_bucket_tagging=refusal("NoSuchTagSet"))
    aws.get_paginator = pages.get
    assert neighbours.look(aws).unread == ("the tags of the buckets b200, b201, b202 and 1 more",
                                           f"{local.state_bucket} beyond its first 2,000 objects")
    assert len(aws.calls("get_bucket_tagging")) == neighbours.MOST_BUCKETS


def test_any_other_failure_stays_one(local):
    (local.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    aws = CannedAws(local)
    aws.get_paginator = lambda name: Pages(refusal("SlowDown"))
    with pytest.raises(Exception, match="SlowDown"):
        neighbours.look(aws)
