"""cruft makes projects from the template, compares them and brings later versions, with the later version's rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repositories import commit, git


@pytest.fixture(scope="module")
def cruft(own_configuration, tmp_path_factory):
    """Runs cruft as a command of its own: in one process the template's modules would be those of these tests."""
    # cruft renders in the system's scratch folder, and hooks keep quiet there; the projects lie elsewhere.
    environment = {
        **os.environ,
        "COOKIECUTTER_CONFIG": str(own_configuration),
        "TMPDIR": str(tmp_path_factory.mktemp("scratch")),
    }

    def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cruft", *words]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def created(cruft, template_repository, tmp_path_factory):
    """A project made by cruft, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("cruft")
    answers = {"project_name": "O'Brien's \"maps\"", "project_slug": "obrien", "account": "210987654321"}
    ran = cruft("create", str(template_repository), "--no-input", "--extra-context", json.dumps(answers), cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "obrien", ran.stdout


def test_a_project_is_created_and_knows_where_it_came_from(created, template_repository):
    project, said = created
    identity = yaml.safe_load((project / "invoke.yaml").read_text())["project"]
    assert identity["name"] == "O'Brien's \"maps\""
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", identity["template"]["version"])
    assert said.rstrip().endswith("invoke deploy -w dev")


def test_a_fresh_project_has_no_difference_to_its_template(created, cruft):
    project, _ = created
    ran = cruft("diff", "--exit-code", cwd=project)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("slug", ["../escaped", "a/b", "Bad"])
def test_a_bad_answer_is_refused_and_leaves_nothing(cruft, template_repository, tmp_path, slug):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    answers = json.dumps({"project_slug": slug})
    ran = cruft("create", str(template_repository), "--no-input", "--extra-context", answers, cwd=folder)
    assert ran.returncode != 0
    said = re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", ran.stdout + ran.stderr))
    assert f"project_slug cannot be '{slug}'" in said and "To go on: cruft create" in said
    assert list(tmp_path.rglob("*")) == [tmp_path / "a", folder]


def test_an_update_brings_a_later_version_with_its_own_rules_and_filters(cruft, created, template_repository, tmp_path):
    """The later version drops a file, adds a filter and uses it, and the project keeps its own changes."""
    later = tmp_path / "template"
    shutil.copytree(template_repository, later)
    project = tmp_path / "obrien"
    shutil.copytree(created[0], project)
    state = json.loads((project / ".cruft.json").read_text())
    (project / ".cruft.json").write_text(json.dumps({**state, "template": str(later)}))
    tfvars = project / "workspaces" / "dev.tfvars"
    tfvars.write_text(tfvars.read_text().replace('aws_ami       = ""', 'aws_ami       = "ami-0123456789abcdef0"'))
    git(project, "init", "-q")
    commit(project)

    inner = later / "{{cookiecutter.project_slug}}"
    names = later / "datacube_wms_answers" / "names.py"
    names.write_text(names.read_text() + "\n\ndef shout(text: str) -> str:\n    return text.upper()\n")
    environment = later / "datacube_wms_answers" / "environment.py"
    environment.write_text(
        environment.read_text().replace("yaml=quoting.yaml,", "yaml=quoting.yaml,\n        shout=names.shout,")
    )
    readme = inner / "README.rst"
    readme.write_text(readme.read_text() + "\n{{ cookiecutter.project_slug | shout }}\n")
    (inner / "outputs.tf").unlink()
    commit(later)

    ran = cruft("update", "--skip-apply-ask", cwd=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (project / "README.rst").read_text().endswith("\nOBRIEN\n")
    assert not (project / "outputs.tf").exists()
    assert "ami-0123456789abcdef0" in tfvars.read_text()
    assert not list(project.rglob("*.rej"))
    changed = {line.split()[-1] for line in git(project, "status", "--porcelain").splitlines()}
    assert changed == {"README.rst", "outputs.tf", ".cruft.json"}
