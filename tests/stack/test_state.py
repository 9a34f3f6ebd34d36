"""The state: a second workspace beside the first, a lock that a dead run left, a state that could not be saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from driven_project import STATE_BUCKET

IMAGES = {"images": {"ows": "ghcr.io/opendatacube/ows@sha256:" + "0" * 64}}
ACCOUNT = "111122223333"


def test_a_second_workspace_of_one_account_has_a_state_of_its_own(stack):
    stack.environment |= {
        "AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x",
    }
    stack.must("workspace.add", "prod")
    for workspace in ("dev", "prod"):
        (stack.folder / "workspaces" / f"{workspace}.images.tfvars.json").write_text(json.dumps(IMAGES))
        stack.must("bootstrap", "-w", workspace, "--account", ACCOUNT, "--endpoint-from-env")
        planned = stack.must("plan", "-w", workspace, "--endpoint-from-env", "--json").json
        assert planned["workspace"] == workspace and planned["summary"]["create"] > 70
    bucket = STATE_BUCKET.replace("0" * 12, ACCOUNT)
    keys = [entry["Key"] for entry in stack.client("s3", ACCOUNT).list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert not any(key.endswith(".tflock") for key in keys)


def test_a_lock_that_a_dead_run_left_elsewhere_is_explained_and_released_after_a_typed_name(stack):
    lock = {"ID": "5a1e-77", "Operation": "OperationTypeApply", "Info": "", "Who": "anna@desk", "Version": "1.11.4",
            "Created": "2026-01-02T03:04:05Z", "Path": "x"}
    stack.client("s3").put_object(Bucket=STATE_BUCKET, Key=f"{state_key(stack)}.tflock", Body=json.dumps(lock))

    locked = stack.invoke("plan")
    assert locked.code == 3 and "Somebody else holds the state's lock" in locked.err and "invoke state.unlock" in locked.err
    assert "anna@desk" in locked.err and "2026-01-02T03:04:05Z" in locked.err
    refused = stack.invoke("state.unlock")
    assert refused.code == 3 and "anna@desk" in refused.err
    assert stack.invoke("plan").code == 3
    stack.must("state.unlock", "--confirm", "local")
    stack.require_clean()


def test_a_bucket_that_is_away_at_the_end_of_an_apply_costs_no_state(stack):
    """It is deleted while Terraform works: the last write is tried again for a minute, and then waits on this disk."""
    stack.edit("db_storage", "25")  # the provider waits for over a minute
    stack.must("plan")
    applying = stack.begin("apply", "--yes")
    stack.wait_for_event(lambda event: event.get("type") == "apply_start" and event["hook"]["action"] == "update")
    delete_bucket(stack.client("s3"))
    _, said = applying.communicate(timeout=300)
    assert applying.returncode == 1 and "it waits on this disk" in said and "invoke recover" in said, said

    stack.must("bootstrap")
    refused = stack.invoke("plan")
    assert refused.code == 3 and "invoke recover" in refused.err
    assert stack.must("recover", "--yes", "--json").json["state"]["resources"] > 80
    stack.require_clean()
    assert not list((stack.folder / ".local" / "roots").rglob("terraform.tfstate.backup"))


def delete_bucket(s3) -> None:
    """The state is written there every few seconds meanwhile, so that it may be full again before it is gone."""
    for _ in range(20):
        held = s3.list_object_versions(Bucket=STATE_BUCKET)
        for each in (*held.get("Versions", []), *held.get("DeleteMarkers", [])):
            s3.delete_object(Bucket=STATE_BUCKET, Key=each["Key"], VersionId=each["VersionId"])
        try:
            return s3.delete_bucket(Bucket=STATE_BUCKET)
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "BucketNotEmpty"
    raise AssertionError("The bucket is never empty.")


def test_a_state_that_a_colleague_has_overtaken_gives_way_and_what_only_it_knew_is_adopted(stack):
    """The lid was closed in the middle of an apply; elsewhere its lock was released, and somebody deployed."""
    address, ours = "module.ec2_instances.aws_launch_template.launch", stack.terraform("state", "pull")
    stack.terraform("state", "rm", address)  # theirs never heard of it
    folder = stack.folder / ".local" / "roots" / "local" / "state"
    waiting = folder / "local" / "terraform.tfstate"
    waiting.parent.mkdir(parents=True, exist_ok=True)
    waiting.write_text(ours)
    (folder / "place.json").write_text(json.dumps({
        "file": str(waiting), "bucket": STATE_BUCKET, "key": state_key(stack), "account": "000000000000",
        "region": "ap-southeast-2", "lock": "of-then", "etag": "of-then", "sha256": "of-then"}))

    for task in (("plan",), ("state.restore", "--file", str(waiting)), ("deploy", "--yes")):
        refused = stack.invoke(*task)
        assert refused.code == 3 and "run: invoke recover" in refused.err, refused.err
    recovered = stack.must("recover", "--yes")
    assert "written by somebody else since" in recovered.err and f"{address} is in the state again" in recovered.out
    assert not waiting.exists() and any((stack.folder / ".local" / "states" / "local").glob("*.tfstate"))
    stack.require_clean()


def state_key(project) -> str:
    listed = project.client("s3").list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
    return next(entry["Key"] for entry in listed if entry["Key"].endswith(".tfstate"))


def test_a_state_that_could_not_be_saved_stops_everything_until_it_is_pushed(stack):
    """As Terraform leaves it when the bucket is out of reach at the end of an apply."""
    errored = stack.folder / "errored.tfstate"
    state = json.loads(stack.terraform("state", "pull"))
    state["serial"] += 1
    errored.write_text(json.dumps(state))
    for task in (("plan",), ("deploy", "--yes")):
        answer = stack.invoke(*task)
        assert answer.code == 3 and "errored.tfstate" in answer.err and "invoke state.push-errored" in answer.err
    stack.must("state.push-errored")
    assert not errored.exists()
    assert json.loads(stack.terraform("state", "pull"))["serial"] >= state["serial"]
    stack.require_clean()


def test_a_plan_made_while_the_question_was_open_is_never_applied(stack):
    """The first task shows a harmless plan and asks; a second one then plans to replace the database."""
    stack.edit("log_retention_days", "3")
    primary, secondary = os.openpty()
    asking = subprocess.Popen([sys.executable, "-m", "invoke", "deploy"], cwd=stack.folder, env=stack.environment,
                              stdin=secondary, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    while "[y/N]" not in said:
        said += asking.stderr.read(1)
    stack.edit("db_name", '"other"')
    stack.must("plan")
    os.write(primary, b"y\n")
    out, err = asking.communicate(timeout=120)
    assert asking.returncode == 3, out + err
    assert stack.client("rds").describe_db_instances()["DBInstances"][0]["DBName"] == "datacube"


@pytest.mark.parametrize("tasks", [("plan", "plan")])
def test_two_plans_at_once_in_one_folder_both_end_well(stack, tasks):
    started = [stack.begin(task) for task in tasks]
    codes = []
    for process in started:
        process.communicate(timeout=180)
        codes.append(process.returncode)
    assert codes == [0, 0]
