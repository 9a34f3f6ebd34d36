"""A deploy that is interrupted, terminated or killed: the next one finishes it, and nothing is left behind.

The database is made with its deletion protection on: replacing it would end in "Cannot delete" for ever. Each project
has its own embedded account, so all of them deploy at the same time: most of a deploy is waiting.
"""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driven_project import STATE_BUCKET

DATABASE = "module.database_layer.aws_db_instance.rds"


def starts_the_database(event: dict) -> bool:
    return event.get("type") == "apply_start" and event["hook"]["resource"]["addr"] == DATABASE


def the_tenth_is_complete():
    complete: set[str] = set()

    def reached(event: dict) -> bool:
        if event.get("type") == "apply_complete" and event["hook"]["action"] == "create":
            complete.add(event["hook"]["resource"]["addr"])
        return len(complete) >= 10

    return reached


def protected(project):
    project.edit("db_deletion_protection", "true")
    return project


def interrupted(project):
    """Ctrl-C while the database is being made."""
    deploy = project.begin("deploy", "--yes")
    project.wait_for_event(starts_the_database)
    time.sleep(2)
    deploy.send_signal(signal.SIGINT)
    out, err = deploy.communicate(timeout=120)
    return project, deploy.returncode, err


def terminated(project):
    """kill -TERM early on."""
    deploy = project.begin("deploy", "--yes")
    project.wait_for_event(the_tenth_is_complete())
    deploy.terminate()
    out, err = deploy.communicate(timeout=120)
    return project, deploy.returncode, err


def killed(project):
    """kill -9 of the task in the middle of it."""
    deploy = project.begin("deploy", "--yes")
    project.wait_for_event(starts_the_database)
    deploy.kill()
    out, err = deploy.communicate(timeout=60)
    return project, deploy.returncode, err


@pytest.fixture(scope="module")
def first_tries(new_project):
    """The three interrupted deploys, at the same time; name -> (project, exit code, stderr)."""
    cases = {case.__name__: (case, protected(new_project())) for case in (interrupted, terminated, killed)}
    next(iter(cases.values()))[1].must("local.up")  # makes the environment that the others share
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(case, project) for name, (case, project) in cases.items()}
        return {name: future.result() for name, future in running.items()}


@pytest.fixture(scope="module")
def second_tries(first_tries):
    """The deploys after them, at the same time; what each left of the first is looked at before."""
    left = {name: leftovers(project) for name, (project, _, _) in first_tries.items()}
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(project.invoke, "deploy", "--yes") for name, (project, _, _) in first_tries.items()}
        return left, {name: future.result() for name, future in running.items()}


def leftovers(project) -> dict:
    """What an interrupted deploy left: Terraform's processes, the state's lock."""
    keys = [entry["Key"] for entry in project.client("s3").list_objects_v2(
        Bucket=STATE_BUCKET).get("Contents", [])]
    return {"processes": processes_of(project.folder), "locked": any(key.endswith(".tflock") for key in keys)}


def processes_of(folder: Path) -> list[str]:
    """Every process that stands in the project's folder or below it, but for the embedded AWS."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(folder) and b"serve.py" not in (
                    process / "cmdline").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("name", "code", "sentence"), [
    ("interrupted", 130, "This goes on from here: invoke deploy"),
    ("terminated", 143, "This goes on from here: invoke deploy"),
])
def test_a_signal_stops_in_order_and_says_where_things_stand(first_tries, second_tries, name, code, sentence):
    _, returned, err = first_tries[name]
    assert returned == code and sentence in err
    assert second_tries[0][name] == {"processes": [], "locked": False}


def test_kill_9_of_the_task_leaves_terraform_running_and_the_next_deploy_follows_it(first_tries, second_tries):
    _, returned, _ = first_tries["killed"]
    left, answers = second_tries
    assert returned == -signal.SIGKILL
    assert any("terraform" in command for command in left["killed"]["processes"]) and left["killed"]["locked"]
    assert "following it to its end" in answers["killed"].err
    assert "Nothing to change." in answers["killed"].out and "Deployed." in answers["killed"].out  # by the first apply


def test_the_next_deploy_finishes_and_the_database_is_the_first_one(first_tries, second_tries):
    _, answers = second_tries
    for name, answer in answers.items():
        project = first_tries[name][0]
        assert answer.code == 0, f"{name}: {answer.err[-3000:]}"
        databases = project.client("rds").describe_db_instances()["DBInstances"]
        assert [one["DBInstanceStatus"] for one in databases] == ["available"]
        assert databases[0]["DeletionProtection"] is True
    kept = f"{DATABASE}: its creation was interrupted, but it exists and keeps data; it is kept."
    assert kept in answers["interrupted"].err


def test_afterwards_every_plan_is_clean_and_nothing_is_left_running(first_tries, second_tries):
    for project, _, _ in first_tries.values():
        project.require_clean()
        assert leftovers(project) == {"processes": [], "locked": False}


def lose(project, address: str) -> None:
    """As after an answer that got lost: made in the account, unfinished in the last apply, and in no state."""
    project.terraform("state", "rm", address)
    (project.folder / ".local" / "runs" / "local" / "unfinished.json").write_text(json.dumps([address]))


def test_what_was_made_without_the_states_knowing_is_adopted_by_the_next_deploy(stack):
    """Every other type, and what only bears the name: test_in_flight.py."""
    address = "module.ec2_instances.aws_launch_template.launch"
    lose(stack, address)
    answer = stack.must("deploy", "--yes")
    assert f"{address}: its creation was interrupted, but it exists" in answer.err
    stack.require_clean()
