"""The lock on a state: one holder, told by name, and the very object that Terraform's own backend looks at."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.core import runs, state_lock, terraform
from tasks.core.console import Refused
from tasks.core.terraform import Terraform

BACKEND = """
terraform {
  backend "s3" {
    key          = "small/terraform.tfstate"
    use_lockfile = true
  }
}
resource "terraform_data" "one" {}
"""


@pytest.fixture
def bucket(aws, client):
    settings = aws.settings
    (settings.root / "main.tf").write_text(BACKEND)
    client("s3").create_bucket(Bucket=settings.state_bucket,
                               CreateBucketConfiguration={"LocationConstraint": settings.region})
    return settings.state_bucket


def test_it_is_taken_by_one_told_by_name_and_given_back(aws, bucket):
    assert state_lock.holder(aws) is None
    id_ = state_lock.acquire(aws, "apply")
    found = state_lock.holder(aws)
    assert (found.id, found.operation) == (id_, "OperationTypeApply") and "@" in found.who and found.since.endswith("Z")
    for refused in (lambda: state_lock.acquire(aws, "apply"), lambda: state_lock.require_free(aws)):
        with pytest.raises(Refused, match="Somebody else holds the state's lock") as error:
            refused()
        assert found.who in error.value.message and found.since in error.value.message
        assert error.value.run.startswith("invoke state.unlock")
    assert state_lock.release(aws, "another") is False and state_lock.holder(aws) == found
    assert state_lock.release(aws, id_) is True and state_lock.holder(aws) is None
    state_lock.require_free(aws)


def test_of_many_that_ask_at_once_one_gets_it(aws, bucket):
    def ask(_):
        try:
            return state_lock.acquire(aws, "apply")
        except Refused:
            return None

    aws.client("s3")  # boto3's own set-up is not safe for threads
    with ThreadPoolExecutor(8) as pool:
        got = [id_ for id_ in pool.map(ask, range(16)) if id_]
    assert got == [state_lock.holder(aws).id]


def test_terraform_by_hand_is_told_who_holds_it(aws, bucket, stack):
    made = Terraform(aws)
    made.run("init", input=False, backend_config=[f"bucket={bucket}", f"region={aws.settings.region}"],
             environment={"TF_WORKSPACE": "default"})
    id_ = state_lock.acquire(aws, "apply")
    run = made.plan(aws.settings.root / "p", {"db_password_version": 1})
    assert runs.follow(run, lambda event: None) == 1
    said = terraform.explain(run).message
    assert "failed to lock s3 state" in said and id_ in said and state_lock.holder(aws).who in said
    assert state_lock.release(aws, id_)
    assert runs.follow(made.plan(aws.settings.root / "p", {"db_password_version": 1}), lambda event: None) == 2


def test_a_lock_that_is_no_json_still_has_a_holder(aws, bucket, client):
    client("s3").put_object(Bucket=bucket, Key=state_lock.key(aws), Body=b"torn {")
    assert state_lock.holder(aws).who == "not known"
    with pytest.raises(Refused):
        state_lock.acquire(aws, "apply")


def test_what_terraform_itself_has_locked_is_read_the_same(aws, bucket, client):
    client("s3").put_object(Bucket=bucket, Key=state_lock.key(aws), Body=json.dumps(
        {"ID": "5a1e", "Operation": "OperationTypeApply", "Who": "anna@desk", "Created": "2026-01-02T03:04:05Z"}))
    assert str(state_lock.holder(aws)) == (
        "ID: 5a1e; Operation: OperationTypeApply; Who: anna@desk; Created: 2026-01-02T03:04:05Z")
