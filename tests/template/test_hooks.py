"""The hooks: they drop what was not chosen, say what comes next, and may run any number of times."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from template_answers import GIT_MODULES

FORBIDDEN = {"subprocess", "socket", "urllib", "requests", "git", "http"}


@pytest.fixture(params=["pre_gen_project.py", "post_gen_project.py"])
def hook(request, template) -> Path:
    return template / "hooks" / request.param


def test_a_hook_is_python_before_it_is_rendered_and_touches_only_files(hook):
    imported = set()
    for node in ast.walk(ast.parse(hook.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert not imported & FORBIDDEN


def test_the_last_thing_said_is_what_to_do_next(command_line, capfd):
    assert command_line.run("--no-input", "workspace=prod").exit_code == 0
    said = capfd.readouterr().out
    for command in (
        f"cd {command_line.output / 'datacube-wms'}",
        "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt",
        "invoke local.up",
        "invoke deploy -w local",
    ):
        assert f"    {command}\n" in said
    assert said.rstrip().endswith("invoke bootstrap -w prod --account 123456789012 && invoke deploy -w prod")


def test_with_a_known_account_the_last_step_is_the_deployment(command_line, capfd, monkeypatch):
    monkeypatch.chdir(command_line.output)
    monkeypatch.setenv("PWD", str(command_line.output))
    command_line.run("--no-input", "account=210987654321")
    said = capfd.readouterr().out
    assert "    cd datacube-wms\n" in said
    assert said.rstrip().endswith("    invoke deploy -w dev") and "bootstrap" not in said


def test_what_is_said_works_where_it_is_said(command_line, capfd, monkeypatch):
    """The commands that need no network are typed for real: the folder is there, and so are the requirements."""
    monkeypatch.setenv("PWD", str(command_line.folder))
    command_line.run("--no-input")
    folder = re.search(r"^    (cd .+)$", capfd.readouterr().out, re.MULTILINE)[1]
    subprocess.run(f"{folder} && test -f requirements.txt", shell=True, check=True, cwd=command_line.folder)


def test_hooks_may_run_again_and_change_nothing(command_line, files_of):
    for _ in range(2):
        assert command_line.run("--no-input", "-f", f"module_source={GIT_MODULES}").exit_code == 0
    once = command_line.output.with_name("once")
    assert command_line.run("--no-input", "-o", str(once), f"module_source={GIT_MODULES}").exit_code == 0
    assert files_of(once) == files_of(command_line.output)


def test_without_hooks_the_project_is_whole_as_well(command_line):
    assert command_line.run("--no-input", "--accept-hooks", "no").exit_code == 0
    assert (command_line.output / "datacube-wms" / "modules" / "vpc").is_dir()


def test_tests_of_vendored_modules_go_with_the_modules(template, default_project, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(default_project, project)
    (project / "tests" / "vendored.tftest.hcl").write_text('run "x" {\n  module {\n    source = "./modules/vpc"\n  }\n}\n')
    (project / "tests" / "whole.tftest.hcl").write_text('run "x" {\n  command = plan\n}\n')
    text = (template / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    rendered = text.replace("{{ cookiecutter.module_source }}", GIT_MODULES)
    (tmp_path / "hook.py").write_text(re.sub(r"\{\{.*?\}\}", "", rendered))
    subprocess.run([sys.executable, str(tmp_path / "hook.py")], cwd=project, check=True, capture_output=True)
    assert not (project / "modules").exists()
    assert not (project / "tests" / "vendored.tftest.hcl").exists()
    assert (project / "tests" / "whole.tftest.hcl").exists()


def test_another_project_is_not_written_over_the_one_that_is_deployed(command_line, files_of, capfd):
    command_line.run("--no-input")
    before = files_of(command_line.output)
    result = command_line.run("--no-input", "-f", "owner=other@example.com")
    assert result.exit_code == 1
    assert "This folder holds a project whose state is datacube-wms-3765269/terraform.tfstate" in capfd.readouterr().err
    assert files_of(command_line.output) == before


def test_the_same_project_may_be_written_again(command_line):
    command_line.run("--no-input")
    assert command_line.run("--no-input", "-f", "storage=s3", "account=210987654321").exit_code == 0
    identity = yaml.safe_load((command_line.output / "datacube-wms" / "invoke.yaml").read_text())
    assert identity["project"]["slug"] == "datacube-wms"
    assert os.listdir(command_line.output) == ["datacube-wms"]
