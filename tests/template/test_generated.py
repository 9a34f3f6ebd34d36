"""Every variant of the project: the right files, nothing of the template left in them, each of its kind valid."""

from __future__ import annotations

import ast
import json
import os
import re

import docutils.core
import docutils.nodes
import hcl2
import pytest
import yaml
from datacube_wms_answers import names, questions

from template_answers import CHANGED, VARIANTS

JINJA = re.compile(r"\{\{|\{%|\{#|cookiecutter\.")
# Files copied as they are may hold the same characters for reasons of their own.
RENDERED = ("invoke.yaml", "README.rst", "main.tf", "workspaces/")
PICTURES = (".tif",)
VENDORED = "tasks/map/leaflet/"  # as its authors released it


def test_it_holds_exactly_the_files_of_the_template(variant, project_source, source_files):
    workspace = variant.answers.get("workspace", "dev")
    expected = {file.replace("{{cookiecutter.workspace}}", workspace) for file in source_files(project_source)}
    if "module_source" in variant.answers:
        expected = {file for file in expected if not file.startswith("modules/")}
        expected -= {file for file in expected if _tests_a_vendored_module(project_source / file)}
    assert set(variant.files()) == expected


def _tests_a_vendored_module(file) -> bool:
    return file.name.endswith(".tftest.hcl") and '"./modules/' in file.read_text(encoding="utf-8")


def test_no_jinja_is_left(variant):
    for name, content in variant.files().items():
        assert "cookiecutter" not in name
        if name.startswith(RENDERED):
            assert not JINJA.search(content.decode()), name


def test_code_is_copied_byte_for_byte(variant, project_source):
    for name, content in variant.files().items():
        if not name.startswith(RENDERED):
            assert content == (project_source / name).read_bytes(), name


def test_code_holds_no_jinja_that_would_be_rendered(project_source, source_files):
    for name in source_files(project_source):
        content = (project_source / name).read_text(encoding="latin-1" if name.endswith(PICTURES) else "utf-8")
        if JINJA.search(content) and not name.startswith(RENDERED):
            assert name.split("/")[0] in ("tasks", "modules", "image", "local", "tests", "task-definitions", ".github")


def test_every_file_parses_as_what_it_is(variant):
    parsers = {".yaml": yaml.safe_load, ".yml": yaml.safe_load, ".json": json.loads, ".py": ast.parse}
    parsers |= {".tf": hcl2.loads, ".tfvars": hcl2.loads}
    for name, content in variant.files().items():
        parse = parsers.get(os.path.splitext(name)[1])
        if parse:
            parse(content.decode("utf-8"))


def test_the_readme_is_clean_restructuredtext(variant):
    text = (variant.path / "README.rst").read_text(encoding="utf-8")
    docutils.core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})


def test_lines_end_in_one_line_feed_and_so_does_each_file(variant):
    for name, content in variant.files().items():
        if name.endswith(PICTURES) or name.startswith(VENDORED):
            continue
        assert b"\r" not in content, name
        if content:
            assert content.endswith(b"\n") and not content.endswith(b"\n\n"), name
        if name.startswith(RENDERED):
            assert not re.search(rb"[ \t]\n", content), name


def test_the_same_answers_give_the_same_bytes_from_anywhere(bake, files_of, tmp_path, monkeypatch):
    answers = VARIANTS["own-names"]
    first = files_of(bake(**answers))
    monkeypatch.chdir(tmp_path)
    assert files_of(bake(**answers)) == first


KEY = {"main.tf", "README.rst"}
WHERE_ANSWERS_LAND = {
    "project_name": {"invoke.yaml", *KEY},
    "project_slug": {"invoke.yaml", *KEY},
    "owner": {"invoke.yaml", *KEY},
    "region": {"workspaces/dev.tfvars"},
    "cluster": {"invoke.yaml", *KEY},
    "workspace": {"workspaces/dev.tfvars", "workspaces/prod.tfvars", "README.rst"},
    "account": {"workspaces/dev.tfvars", "README.rst"},
    "state_bucket": {"invoke.yaml"},
    "image_repository": {"invoke.yaml"},
    "storage": {"workspaces/dev.tfvars"},
    "nat": {"workspaces/dev.tfvars"},
    "jumpbox_cidrs": {"workspaces/dev.tfvars"},
    "module_source": {"main.tf", "README.rst", "modules/"},
}


@pytest.mark.parametrize("question", questions.NAMES)
def test_every_question_changes_what_is_generated_where_it_should(question, default_project, bake, files_of):
    steady = {"project_slug": "datacube-wms", "cluster": "datacube-wms"}
    before, after = files_of(default_project), files_of(bake(**{**steady, question: CHANGED[question]}))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if question == "module_source":
        changed = {"modules/" if name.startswith("modules/") else name for name in changed}
        changed -= {name for name in changed if name.startswith("tests/")}
    if question in ("region", "storage", "nat", "jumpbox_cidrs"):
        changed -= {"workspaces/local.tfvars"}
    assert changed == WHERE_ANSWERS_LAND[question]


@pytest.mark.parametrize("question", ["storage", "nat"])
def test_every_value_of_a_choice_gives_another_project(question, bake, files_of):
    made = [files_of(bake(**{question: value})) for value in questions.CHOICES[question]]
    assert all(one != other for index, one in enumerate(made) for other in made[index + 1 :])


def test_the_first_workspace_says_what_was_answered(bake):
    answers = {**VARIANTS["own-names"], **VARIANTS["both-storages"], "nat": "per_zone"}
    project = bake(**answers)
    said = hcl2.loads((project / "workspaces" / "prod.tfvars").read_text())
    said = {name: _plain(value) for name, value in said.items()}
    assert said["account"] == "210987654321" and said["region"] == "eu-central-1"
    assert said["storage"] == "both" and said["nat"] == "per_zone"
    assert said["jumpbox_cidrs"] == ["203.0.113.0/24", "198.51.100.7/32"]
    identity = yaml.safe_load((project / "invoke.yaml").read_text())["project"]
    assert identity["owner"] == answers["owner"] and identity["state_bucket"] == answers["state_bucket"]
    assert identity["image_repository"] == answers["image_repository"]


def _plain(value):
    """python-hcl2 keeps the quotes of a string."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.strip('"') if isinstance(value, str) else value


def test_every_module_comes_from_the_address_that_was_given(bake):
    project = bake(**VARIANTS["modules-from-git"])
    sources = re.findall(r'source\s*=\s*"([^"]*)"', (project / "main.tf").read_text())
    assert len(sources) >= 8 and not (project / "modules").exists()
    for source in sources:
        assert re.fullmatch(r"git::https://git\.example\.com/maps/stack\.git//modules/\w+\?ref=v1\.2\.0", source)


@pytest.mark.parametrize(
    ("asked_for", "recorded"),
    [
        ("https://me:secret@git.example.com/maps/template.git", "https://git.example.com/maps/template.git"),
        ("git@git.example.com:maps/template.git", "git@git.example.com:maps/template.git"),
        ("gh:maps/template", "gh:maps/template"),
    ],
)
def test_the_address_of_the_template_is_recorded_without_a_password(asked_for, recorded):
    assert names.template_address(asked_for) == recorded


def test_the_version_of_the_template_is_recorded_even_when_old_answers_are_replayed(command_line):
    command_line.run("--no-input")
    file = next(command_line.replays.iterdir())
    file.write_text(file.read_text().replace(questions.TEMPLATE_VERSION, "0.0.1"))
    command_line.run("--replay-file", str(file), "-f")
    recorded = yaml.safe_load((command_line.output / "datacube-wms" / "invoke.yaml").read_text())
    assert recorded["project"]["template"] == {
        "address": str(command_line.template),
        "version": questions.TEMPLATE_VERSION,
    }


CHAPTERS = [  # the seed's in the seed's order, and two of our own before its last ones
    "Requirements", "AWS Authentication", "SSH Keypair", "Docker", "How-to", "CloudWatch Logging",
    "Destroying Infrastructure", "Using Chamber", "KMS setup", "Adding database password to secrets",
    "Docker container setup", "The database", "Looking after it", "Drift", "The state", "Chamber with terraform",
    "Modifying",
]  # fmt: skip


def _readme(project) -> docutils.nodes.document:
    return docutils.core.publish_doctree((project / "README.rst").read_text(encoding="utf-8"))


def test_the_readme_has_its_chapters_in_order_and_each_ends_in_a_command(default_project):
    sections = list(_readme(default_project).findall(docutils.nodes.section))
    assert [section[0].astext() for section in sections] == CHAPTERS
    for section in sections:
        own = [part for part in section.children if not isinstance(part, docutils.nodes.section)]
        assert isinstance(own[-1], docutils.nodes.literal_block), section[0].astext()


def test_every_task_that_the_readme_types_exists(default_project):
    import tasks

    blocks = [block.astext() for block in _readme(default_project).findall(docutils.nodes.literal_block)]
    typed = {match for block in blocks for match in re.findall(r"^invoke ([\w.-]+)", block, re.MULTILINE)}
    assert len(typed) >= 7
    assert typed <= {name for one in tasks.namespace.to_contexts() for name in (one.name, *one.aliases)}
