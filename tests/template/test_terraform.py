"""Terraform takes every variant: the configuration is valid, and so is what the answers say about each workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from repositories import commit, git
from template_answers import VARIANTS


@pytest.fixture(scope="module")
def module_repository(project_source: Path, tmp_path_factory: pytest.TempPathFactory, need) -> Path:
    """The modules in a git repository of their own, with a tag, as somebody else might offer them."""
    need("git")
    repository = tmp_path_factory.mktemp("modules") / "stack"
    shutil.copytree(project_source / "modules", repository / "modules")
    git(repository, "init", "-q")
    commit(repository)
    git(repository, "tag", "v1")
    return repository


def test_it_is_formatted(variant, terraform):
    assert terraform("fmt", "-check", "-diff", "-recursive", folder=variant.path, check=False).stdout == ""


@pytest.mark.parametrize("name", [name for name, answers in VARIANTS.items() if "module_source" not in answers])
def test_it_is_valid_with_every_choice(name, bake, terraform, initialised, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(bake(**VARIANTS[name]), copy)
    shutil.copy(initialised / ".terraform.lock.hcl", copy)
    said = terraform("validate", "-json", folder=copy, TF_DATA_DIR=f"{initialised}.data")
    assert json.loads(said.stdout)["diagnostics"] == []


def test_modules_from_a_git_address_are_fetched_and_valid(bake, terraform, module_repository, tmp_path):
    source = f"git::file://{module_repository}//modules?ref=v1"
    copy = tmp_path / "project"
    shutil.copytree(bake(module_source=source), copy)
    assert not (copy / "modules").exists()
    terraform("init", "-backend=false", "-input=false", folder=copy)
    manifest = json.loads((tmp_path / "project.data" / "modules" / "modules.json").read_text())
    fetched = {module["Key"]: module["Source"] for module in manifest["Modules"] if module["Key"]}
    assert len(fetched) >= 8
    assert {address.split("?")[0].rsplit("/", 1)[0] for address in fetched.values()} == {source.split("?")[0]}
    terraform("validate", folder=copy)


@pytest.mark.parametrize("suite", ["tests", "modules/tests"])
def test_its_own_tests_pass(suite, default_project, terraform, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(default_project, copy)
    terraform("init", "-backend=false", "-input=false", f"-test-directory={suite}", folder=copy)
    ran = terraform("test", f"-test-directory={suite}", folder=copy, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def plan_variables(terraform, tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """Plans the variables of one workspace, with their validations and nothing that needs a provider.

    `written` stands for what the tasks add to the answers: account, machine image, images by digest.
    """

    def plan(project: Path, workspace: str, **written: object) -> CompletedProcess[str]:
        folder = tmp_path / "variables"
        shutil.copytree(project / "workspaces", folder / "workspaces")
        for declarations in project.glob("variables*.tf"):
            shutil.copy(declarations, folder)
        values = {"db_password": "x" * 24, "db_password_version": 1, **written}
        (folder / "written.tfvars.json").write_text(json.dumps(values))
        files = [f"-var-file=workspaces/{workspace}.tfvars", "-var-file=written.tfvars.json"]
        return terraform("plan", "-no-color", *files, folder=folder, check=False, TF_WORKSPACE=workspace)

    return plan


PINNED = {
    "aws_ami": "ami-0123456789abcdef0",
    "account": "210987654321",
    "images": {"ows": f"ghcr.io/example/ows@sha256:{'0' * 64}"},
}


def test_the_variables_of_the_workspace_local_hold(variant, plan_variables):
    images = {"ows": "datacube-wms:1.9.14-0123456789ab"}
    ran = plan_variables(variant.path, "local", aws_ami=PINNED["aws_ami"], images=images)
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stdout  # as for a value that no variable takes


def test_the_variables_of_the_first_workspace_hold(variant, plan_variables):
    ran = plan_variables(variant.path, variant.answers.get("workspace", "dev"), **PINNED)
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stdout


@pytest.mark.parametrize("unknown", ["account", "aws_ami"])
def test_what_the_answers_leave_open_is_refused_until_it_is_known(default_project, plan_variables, unknown):
    known = {name: value for name, value in PINNED.items() if name != unknown}
    ran = plan_variables(default_project, "dev", **known)
    assert ran.returncode == 1
    assert f"{unknown}: " in ran.stderr and "invoke bootstrap" in ran.stderr
