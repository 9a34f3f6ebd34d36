"""The one place that runs Terraform: its command lines, its environment, and its errors as sentences."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tasks.core import runs, terraform
from tasks.core.console import BadInput, Failed
from tasks.core.session import Session
from tasks.core.terraform import Terraform

TWO = """
resource "terraform_data" "one" { input = "a" }
resource "terraform_data" "many" {
  for_each = toset(["a b", "c\\"d"])
}
output "text" { value = "é \\"quoted\\"" }
output "map" { value = { "k" = ["v"] } }
output "hidden" {
  value     = "in clear"
  sensitive = true
}
"""


def with_terraform(folder: Path, script: str) -> str:
    """A PATH whose first `terraform` is this shell script."""
    folder.mkdir()
    (folder / "terraform").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "terraform").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def bare(local) -> Terraform:
    return Terraform(Session(local, dict(os.environ), None))


def test_values_stay_whole_whatever_they_hold(bare):
    line = bare.command(
        "plan", "a b", json=True, detailed_exitcode=False, target=None, out="/a b/p", parallelism=5,
        var=["x={\"a\": [1]}", "y=say \"no\"; $(id) `id` 'x'", "empty="], var_file=["w/a b.tfvars", "-.tfvars"],
    )
    assert line == [
        "terraform", "plan", "-no-color", "-json", "-detailed-exitcode=false", "-out=/a b/p", "-parallelism=5",
        "-var=x={\"a\": [1]}", "-var=y=say \"no\"; $(id) `id` 'x'", "-var=empty=",
        "-var-file=w/a b.tfvars", "-var-file=-.tfvars", "a b",
    ]  # fmt: skip
    assert bare.command("state list")[1:] == ["state", "list", "-no-color"]
    assert bare.command("untaint", 'module.a["b c"].x[0]')[-1] == 'module.a["b c"].x[0]'


def test_a_plan_reads_the_workspaces_own_files_and_what_the_tasks_add(stack, local):
    local.images_file.write_text('{"images": {"ows": "pinned"}}')
    with open(local.tfvars, "a") as file:
        file.write("db_password_version = 99\n")
    made = stack("""
variable "images" {}
resource "terraform_data" "all" { input = [var.workspace, var.images["ows"], var.db_password_version] }
""")
    plan = local.root / "test.tfplan"
    assert runs.follow(made.plan(plan, {"db_password_version": 7}), lambda event: None) == 2
    assert made.planned_arguments(plan)["terraform_data.all"]["input"] == ["local", "pinned", "7"]


def test_a_small_state_is_read_and_healed_through_the_wrapper(stack, applied):
    made = stack(TWO)
    assert made.addresses() == [] and made.output() == {}
    applied(made)
    addresses = ['terraform_data.many["a b"]', 'terraform_data.many["c\\"d"]', "terraform_data.one"]
    assert made.addresses() == addresses
    assert made.output() == {"text": 'é "quoted"', "map": {"k": ["v"]}, "hidden": "in clear"}
    for address in addresses:
        made.run("taint", address)
        made.untaint(address)
    made.run("state rm", addresses[0])
    made.import_(addresses[0], "an-id", {"db_password_version": 1})
    assert made.addresses() == addresses
    with pytest.raises(Failed, match="terraform import failed. Error: .*Resource already managed by Terraform"):
        made.import_(addresses[0], "an-id", {"db_password_version": 1})
    with pytest.raises(Failed, match="terraform untaint failed. Error: .*terraform_data.none"):
        made.untaint("terraform_data.none")


def test_a_state_that_cannot_be_read_is_not_taken_for_an_empty_one(stack, applied, local):
    made = stack(TWO)
    applied(made)
    (local.root / "terraform.tfstate.d" / "local" / "terraform.tfstate").write_text("{")
    with pytest.raises(Failed):
        made.addresses()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_no_state_file_is_read_behind_our_back(bare, local, content):
    for file in (local.root / "terraform.tfstate", local.root / ".terraform" / "terraform.tfstate"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    assert bare.command("version") == ["terraform", "version", "-no-color"]


def test_the_callers_terraform_settings_do_not_reach_terraform(local, tmp_path, monkeypatch):
    configuration = tmp_path / "rc"
    configuration.touch()
    caller = {
        "TF_LOG": "TRACE", "TF_LOG_PATH": "x", "TF_CLI_ARGS": "-lock=false", "TF_CLI_ARGS_plan": "-destroy",
        "TF_VAR_region": "x", "TF_VAR_db_password": "x", "TF_WORKSPACE": "prod", "TF_DATA_DIR": "/elsewhere",
        "TF_INPUT": "1", "TF_IN_AUTOMATION": "", "TF_PLUGIN_CACHE_DIR": "/cache", "TF_TOKEN_example_com": "t",
        "TF_CLI_CONFIG_FILE": str(configuration), "PATH": "/bin",
    }  # fmt: skip
    assert Terraform(Session(local, caller, None)).environment == {
        "PATH": "/bin", "TF_PLUGIN_CACHE_DIR": "/cache", "TF_TOKEN_example_com": "t",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_WORKSPACE": "local", "TF_DATA_DIR": ".terraform/local", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1",
        "TF_VAR_db_password": terraform.PLACEHOLDER,
    }  # fmt: skip
    caller["TF_CLI_CONFIG_FILE"] = str(tmp_path / "missing")
    assert "TF_CLI_CONFIG_FILE" not in Terraform(Session(local, caller, None)).environment


def test_the_version_is_asked_without_the_callers_settings(monkeypatch, need):
    need("terraform")
    monkeypatch.setenv("TF_CLI_ARGS", "-nonsense")
    assert terraform.version()[0].isdigit()


def test_a_missing_terraform_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="Terraform is not installed: 1.11 or newer is needed.") as failed:
        terraform.version()
    assert failed.value.run.startswith("https://")


@pytest.mark.parametrize(("found", "old"), [("1.5.7", True), ("1.10.5", True), ("0.15.5", True), ("1.11.0", False),
                                            ("1.12.0-rc1", False), ("2.0.0", False)])
def test_a_terraform_that_is_too_old_is_a_sentence(monkeypatch, tmp_path, found, old):
    monkeypatch.setenv("PATH", with_terraform(tmp_path / "bin", f"""echo '{{"terraform_version": "{found}"}}'"""))
    if not old:
        assert terraform.version() == found
        return
    with pytest.raises(Failed, match=f"Terraform {found} is too old"):
        terraform.version()


def test_a_version_managers_complaint_is_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", with_terraform(tmp_path / "bin", "echo 'no version is chosen' >&2; exit 1"))
    with pytest.raises(Failed, match="no version is chosen"):
        terraform.version()


def test_a_real_error_becomes_a_sentence_without_its_frame(stack):
    with pytest.raises(Failed) as failed:
        stack('resource "terraform_data" "x" {')
    assert failed.value.message.startswith("terraform init failed. Error: ")
    assert "\n" not in failed.value.message and not set("│╷╵") & set(failed.value.message)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "╷\n│ Error: Bad thing\n│ \n│   on main.tf line 1:\n│ It is bad.\n╵\n",
            "Error: Bad thing on main.tf line 1: It is bad.",
        ),
        ("Warning: w\n\nError: e\n\nwhy\n", "Error: e why"),
        ("flag provided but not defined: -x\n", "flag provided but not defined: -x"),
        ("", "It said nothing."),
    ],
)
def test_terraforms_text_as_one_sentence(text, sentence):
    assert terraform.failure("terraform x", text).message == f"terraform x failed. {sentence}"


def test_why_a_run_failed_names_each_resource_once(stack, planned, local):
    made = stack("""
resource "terraform_data" "bad" {
  for_each = toset(["a", "b"])
  provisioner "local-exec" { command = "exit 3" }
}
""")
    file, _ = planned(made)
    run = made.apply(file, "")
    assert runs.follow(run, lambda event: None) == 1
    said = terraform.explain(run).message
    assert said.startswith("terraform apply failed. ") and "\n" not in said
    for address in ('terraform_data.bad["a"]', 'terraform_data.bad["b"]'):
        assert said.count(f"{address}: local-exec provisioner error. Error running command 'exit 3'") == 1


@pytest.mark.parametrize(("value", "said"), [
    ("{ a = 2 }", "sizes: 4 or more each."),
    ('{ a = "two" }', "The given value is not suitable for var.sizes declared at main.tf:"),
])  # fmt: skip
def test_a_value_that_terraform_refuses_is_bad_input_with_its_place(stack, local, value, said):
    made = stack("""
variable "sizes" {
  type = map(number)
  validation {
    condition     = alltrue([for size in values(var.sizes) : size >= 4])
    error_message = "sizes: 4 or more each."
  }
}
""")
    line = len(local.tfvars.read_text().splitlines()) + 1
    with open(local.tfvars, "a") as file:
        file.write(f"sizes = {value}\n")
    refused = refusal(made, {})
    assert isinstance(refused, BadInput) and refused.message.startswith(f"local.tfvars, line {line}: {said}")
    assert "checked by" not in refused.message and "\n" not in refused.message


def test_a_value_that_no_file_has_is_refused_without_a_place(stack, local):
    made = stack("""
variable "given" {
  validation {
    condition     = var.given == "right"
    error_message = "given: right was expected."
  }
}
""")
    refused = refusal(made, {"given": "wrong"})
    assert (refused.code, refused.message) == (4, "given: right was expected.")
    assert refusal(made, {}).code == 1, "A value that is missing is another failure."


def refusal(made: Terraform, given: dict):
    run = made.plan(made.settings.root / "p", given)
    assert runs.follow(run, lambda event: None) == 1
    return terraform.explain(run)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_short_command_waits_for_terraform_to_end(local, task, wait, tmp_path, monkeypatch, number, expected):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    slow = f"trap 'sleep .4; touch {ended}; exit 1' INT; touch {begun}; while true; do sleep .05; done"
    monkeypatch.setenv("PATH", with_terraform(tmp_path / "bin", slow))
    started = task("short", "init")
    wait(begun.exists)
    started.signal(number)
    code, said = started.end()
    assert (code, ended.exists()) == (expected, True), said
