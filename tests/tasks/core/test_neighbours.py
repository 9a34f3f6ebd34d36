"""Whose state manages an object: other buckets, other workspaces, and what may not be read."""

from __future__ import annotations

import json

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import neighbours, state_bucket
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


def test_a_key_that_was_imported_by_its_arn_is_the_same_key(aws, put, slug):
    arn = f"arn:aws:kms:ap-southeast-2:000000000000:key/{slug}"
    attributes = {"id": arn, "arn": arn, "key_id": slug}
    put(put.other, "env:/local/theirs/terraform.tfstate", state({**KEY, "attributes": attributes}))
    assert [each.workspace for each in neighbours.holders(aws, "aws_kms_key", slug)] == ["local"]


def test_what_lies_beside_the_states_is_none(aws, put):
    for key in ("env:/local/theirs/terraform.tfstate.tflock", "env:/local/theirs/database.json", "env:/stray", "x.tfstate"):
        put(put.other, key, b"{}")
    put(put.other, "env:/local/theirs/notes", b"no JSON")
    around = neighbours.look(aws)
    assert not [each for each, _ in around.states if each.bucket == put.other] and around.unread == ()


def test_a_format_that_is_not_known_is_told_and_not_guessed(aws, put):
    put(put.other, "env:/local/theirs/terraform.tfstate", state(version=5))
    assert f"{put.other}/env:/local/theirs/terraform.tfstate (The state has format 5" in neighbours.look(aws).unread[0]


class Pages:
    def __init__(self, *pages):
        self.pages = pages

    def paginate(self, **_):
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page


@pytest.mark.parametrize("denied", ["list_buckets", "list_objects_v2", "get_object"])
def test_what_may_not_be_read_is_told(local, denied):
    """The embedded AWS of the tests asks nobody whether he may."""
    (local.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    bucket, key = local.state_bucket, "env:/dev/own/terraform.tfstate"
    pages = {"list_buckets": Pages({"Buckets": []}), "list_objects_v2": Pages({"Contents": [{"Key": key}]}),
             denied: Pages(refusal("AccessDenied"))}
    aws = CannedAws(local, get_object=refusal("AccessDenied") if denied == "get_object" else refusal("NoSuchKey"))
    aws.get_paginator = pages.get
    told = {"list_buckets": "the list of the account's buckets", "list_objects_v2": bucket, "get_object": f"{bucket}/{key}"}
    assert neighbours.look(aws).unread == (told[denied],)


def test_any_other_failure_stays_one(local):
    (local.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "own/terraform.tfstate"\n  }\n}\n')
    aws = CannedAws(local)
    aws.get_paginator = lambda name: Pages(refusal("SlowDown"))
    with pytest.raises(Exception, match="SlowDown"):
        neighbours.look(aws)
