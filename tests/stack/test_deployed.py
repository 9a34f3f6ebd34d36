"""What stands after the first `invoke deploy`, and that it can be looked at, planned again and deployed again."""

from __future__ import annotations

import re
import stat
import zipfile

from driven_project import CANARY, STATE_BUCKET

MODULES = {"vpc", "public_layer", "ec2_instances", "efs", "database_layer", "load_balancer", "ecs_policy", "ecs", "jobs"}


def test_the_first_deploy_says_what_it_made_and_what_comes_next(golden):
    assert "Deployed." in golden.deployed.out
    assert re.search(r"wms_endpoint\s+http://127\.0\.0\.1:\d+/_alb/datacube-wms-local/", golden.deployed.out)
    assert re.search(r"\[\s*\d+/\d+\] module\.database_layer\.aws_db_instance\.rds created after \d+ s", golden.deployed.err)
    assert "next: invoke plan" in golden.deployed.err


def test_the_state_holds_every_module(stack):
    addresses = stack.terraform("state", "list").splitlines()
    assert {re.match(r"module\.(\w+)", address)[1] for address in addresses if address.startswith("module.")} == MODULES
    assert "module.ecs_policy.aws_kms_key.parameter_store_key" in addresses


def test_a_plan_after_it_is_clean_by_the_task_and_by_hand(stack):
    stack.require_clean()
    answer = stack.must("plan", "--json").json
    assert answer["changes"] == [] and set(answer["summary"].values()) == {0}
    assert (answer["workspace"], answer["account"], answer["region"]) == ("local", "000000000000", "ap-southeast-2")


def test_a_second_deploy_changes_nothing_and_says_so(stack):
    before = stack.client("s3").list_object_versions(Bucket=STATE_BUCKET)["Versions"]
    answer = stack.must("deploy", "--yes")
    assert "nothing was changed" in answer.out and "Made:" not in answer.err
    after = stack.client("s3").list_object_versions(Bucket=STATE_BUCKET)["Versions"]
    states = [[v["VersionId"] for v in versions if v["Key"].endswith(".tfstate")] for versions in (before, after)]
    assert states[0] == states[1]


def test_output_shows_what_a_caller_wires_next(stack):
    outputs = stack.must("output", "--json").json["outputs"]
    assert outputs["wms_endpoint"].startswith("http://")
    assert re.fullmatch(r"datacube-wms:1\.9\.14-[0-9a-f]{12}", outputs["services"]["ows"]["image"])
    assert outputs["jobs"]["admin"]["container"] == "admin"
    assert outputs["cluster"] == "datacube-wms-local"
    assert "/datacube-wms-local/apps/ows" in outputs["log_groups"]


def test_the_doctor_finds_nothing_wrong(stack):
    answer = stack.must("doctor", "--json").json
    verdicts = {check["name"]: check["verdict"] for check in answer["checks"]}
    assert answer["healthy"] and verdicts["state bucket"] == verdicts["KMS key"] == verdicts["state lock"] == "ok"


def test_the_state_bucket_is_versioned_encrypted_and_closed(stack):
    s3, bucket = stack.client("s3"), STATE_BUCKET
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_the_database_password_is_nowhere_but_in_the_store(golden, stack):
    """State and its old versions, plan, `show -json`, logs, command lines, and every file of the project."""
    assert golden.watch.looks > 100 and golden.watch.found == []
    assert CANARY not in golden.deployed.out + golden.deployed.err
    assert stack.client("ssm").get_parameter(Name="/datacube-wms-local-admin/db_password", WithDecryption=True)[
        "Parameter"]["Value"] == CANARY

    stack.edit("db_storage", "25")
    stack.must("plan")
    plan = stack.folder / ".local" / "plans" / "local.tfplan"
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    with zipfile.ZipFile(plan) as parts:
        assert all(CANARY.encode() not in parts.read(name) for name in parts.namelist())
    assert CANARY not in stack.terraform("show", "-json", str(plan))
    assert CANARY not in stack.terraform("show", "-json")

    s3, bucket = stack.client("s3"), STATE_BUCKET
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    states = [version for version in versions if version["Key"].endswith(".tfstate")]
    assert len(states) > 1
    for version in states:
        body = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        assert CANARY.encode() not in body

    account = stack.folder / ".local" / "aws" / "account"  # the embedded AWS's own memory: all of it is kept 0700
    assert stat.S_IMODE(account.parent.stat().st_mode) == 0o700
    for file in stack.folder.rglob("*"):
        if file.is_file() and account not in file.parents and (stack.folder / ".terraform") not in file.parents:
            assert CANARY.encode() not in file.read_bytes(), file
    for file in (stack.folder / ".terraform").rglob("*"):
        if file.is_file() and file.stat().st_size < 10_000_000:  # all but the provider itself
            assert CANARY.encode() not in file.read_bytes(), file
