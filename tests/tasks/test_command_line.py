"""The real command line of a baked project, as its user types it: every namespace, in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest

HEAVY = ("boto3", "botocore", "docker", "python_terraform", "hcl2", "rich", "yaml", "requests", "urllib3")
LISTED = """\
import sys
from invoke import main
invokes_own = set(sys.modules)  # it takes PyYAML's C parser when there is one
try:
    main.program.run(["invoke", "--list"])
except SystemExit as ended:
    print("EXIT", ended.code)
print("LOADED", *sorted((set(sys.modules) - invokes_own) & set(sys.argv[1:])))
"""


def refused(done: subprocess.CompletedProcess[str], code: int, sentence: str) -> None:
    assert (done.returncode, done.stdout) == (code, ""), done
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_the_list_is_light(invoke):
    listed = subprocess.run(
        [sys.executable, "-c", LISTED, *HEAVY],
        cwd=invoke.folder,
        env=invoke.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "deploy" in listed.stdout and "local.up" in listed.stdout and "workspace.add" in listed.stdout
    assert listed.stdout.splitlines()[-1] == "LOADED"


def test_help_shows_every_flag_with_its_words(invoke):
    for task in ("plan", "workspace.add"):
        done = invoke("--help", task)
        assert done.returncode == 0
        docstring, _, options = done.stdout.partition("Options:")
        assert "none" not in re.findall(r"Docstring:\s+(\S+)", docstring)
        for block in re.split(r"\n(?=\s+-)", options.strip("\n")):
            assert len(block.split()) >= 4, block


def test_a_workspace_that_is_not_there(invoke):
    done = invoke("plan", "-w", "prod")
    refused(done, 4, "There is no workspace prod (known: dev, local).")
    assert "run: invoke workspace.add prod" in done.stderr


def test_a_failure_with_json(invoke):
    done = invoke("output", "-w", "nope_", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == 4


@pytest.mark.parametrize("task", ["plan", "apply", "init", "output", "bootstrap"])
def test_without_the_embedded_aws_each_task_says_how_to_start_it(invoke, task):
    done = invoke(task)
    refused(done, 3, "The embedded AWS is not running.")
    assert "run: invoke local.up" in done.stderr


@pytest.mark.parametrize("task", ["plan", "apply", "init", "output", "deploy"])
def test_an_account_that_is_not_known_yet_stops_each_task_at_once(invoke, task):
    done = invoke(task, "-w", "dev", AWS_ACCESS_KEY_ID="1", AWS_SECRET_ACCESS_KEY="x")
    refused(done, 3, "The AWS account of workspace dev is not known yet.")


@pytest.mark.parametrize("task", ["plan", "deploy", "bootstrap"])
def test_an_endpoint_in_the_shell_stops_each_task_outside_local(invoke, task):
    done = invoke(task, "-w", "dev", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    refused(done, 3, "AWS_ENDPOINT_URL is set, so workspace dev would not reach AWS.")


def test_credentials_of_another_account_stop_with_both_numbers(invoke, embedded):
    done = invoke("bootstrap", "-w", "dev", "--account", "123456789012", "--endpoint-from-env",
                  AWS_ENDPOINT_URL=embedded.endpoint, AWS_ACCESS_KEY_ID="222222222222", AWS_SECRET_ACCESS_KEY="x")
    refused(done, 3, "These credentials are of account 222222222222, not 123456789012. Nothing was recorded.")
    assert 'account   = ""' in (invoke.folder / "workspaces" / "dev.tfvars").read_text()


def test_bootstrap_makes_what_is_missing_and_then_nothing(invoke, embedded):
    there = {"AWS_ENDPOINT_URL": embedded.endpoint, "AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "x"}
    first = invoke("bootstrap", "-w", "dev", "--account", "123456789012", "--endpoint-from-env", "--json", **there)
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert (made["workspace"], made["account"], made["region"]) == ("dev", "123456789012", "ap-southeast-2")
    assert [line.split(" (")[0] for line in made["made"]][:3] == [
        "state bucket datacube-wms-state-123456789012-ap-southeast-2", "KMS key alias/parameter_store_key",
        "ECR repository datacube-wms",
    ]
    assert re.search(
        r'^aws_ami +=.*"ami-[0-9a-f]+"', (invoke.folder / "workspaces" / "dev.tfvars").read_text(), re.MULTILINE
    )
    second = invoke("bootstrap", "-w", "dev", "--endpoint-from-env", **there)
    assert (second.returncode, second.stdout) == (0, "Everything was there already.\n"), second.stderr


def test_the_doctor_finds_what_is_wrong_and_names_each_mend(invoke):
    done = invoke("doctor", "--json")
    assert done.returncode == 5
    found = json.loads(done.stdout)
    assert (found["schema"], found["workspace"], found["healthy"]) == (1, "local", False)
    [account] = [check for check in found["checks"] if check["name"] == "account"]
    assert (account["verdict"], account["mend"]) == ("failed", "invoke local.up")
    text = invoke("doctor")
    assert text.returncode == 5 and "invoke local.up" in text.stdout and "checks failed: account" in text.stderr


def test_local_status_answers_whether_it_runs(invoke):
    done = invoke("local.status", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert {name: answer[name] for name in ("running", "endpoint", "containers", "pid", "log")} == {
        "running": False, "endpoint": None, "containers": False, "pid": None, "log": None}


def test_what_destroys_wants_the_name_and_without_a_terminal_the_flag(invoke):
    done = invoke("local.reset", input="local\n")
    refused(done, 3, "Nothing was changed: to empty it, local has to be typed.")
    assert "run: invoke local.reset --confirm local" in done.stderr


def test_another_word_than_the_name_changes_nothing(invoke):
    ours, theirs = pty.openpty()
    child = subprocess.Popen(invoke.command("local.reset"), cwd=invoke.folder, env=invoke.environment(), stdin=theirs,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    os.write(ours, b"yes\n")
    out, err = child.communicate(timeout=30)
    os.close(ours)
    assert (child.returncode, out) == (3, "")
    assert "Type local to empty it: " in err and "Nothing was changed" in err


def test_plan_without_a_bucket_says_to_bootstrap(invoke, embedded, slug):
    file = invoke.folder / "invoke.yaml"
    file.write_text(re.sub(r"slug: .*", f"slug: {slug}", file.read_text()))
    refused(invoke("plan", AWS_ENDPOINT_URL=embedded.endpoint), 3, "is not there yet")


def test_terraform_missing_is_a_sentence(invoke, embedded, tmp_path):
    refused(
        invoke("plan", AWS_ENDPOINT_URL=embedded.endpoint, PATH=str(tmp_path)),
        1,
        "Terraform is not installed: 1.11 or newer",
    )


def test_nothing_is_colourful_in_a_pipe(invoke):
    for done in (invoke("workspace.list", FORCE_COLOR="1"), invoke("doctor", CI="1"), invoke("plan")):
        assert "\x1b" not in done.stdout + done.stderr


def test_workspace_list_as_a_program_reads_it(invoke):
    found = json.loads(invoke("workspace.list", "--json").stdout)
    assert found["schema"] == 1
    assert {each["workspace"]: each["account"] for each in found["workspaces"]} == {"dev": "", "local": "000000000000"}
