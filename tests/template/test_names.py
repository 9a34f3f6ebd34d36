"""What follows from the answers: keys that never meet, defaults that hold, names within what AWS takes."""

from __future__ import annotations

import itertools
import re

import pytest
from datacube_wms_answers import names, resume, rules

from template_answers import VARIANTS

LONGEST = VARIANTS["longest-names"]


def test_no_two_projects_share_a_key_even_in_one_account_and_region():
    parts = {
        "project_name": ("Datacube WMS", "Datacube WMS 2", "Wetlands"),
        "project_slug": ("datacube-wms", "datacube-wm", "wetlands"),
        "owner": ("maps@example.com", "map@example.com"),
        "cluster": ("datacube-wms", "shared", "shared-1"),
    }
    projects = [dict(zip(parts, answers, strict=True)) for answers in itertools.product(*parts.values())]
    keys = {names.backend_key(project) for project in projects}
    assert len(keys) == len(projects)
    assert all(re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{7}/terraform\.tfstate", key) for key in keys)


def test_the_key_of_the_default_project_never_changes():
    project = {
        "project_name": "Datacube WMS",
        "project_slug": "datacube-wms",
        "owner": "maps@example.com",
        "cluster": "datacube-wms",
    }
    assert names.backend_key(project) == "datacube-wms-3765269/terraform.tfstate"


def test_what_changes_while_a_project_lives_leaves_its_key_alone(bake):
    def key(**answers):
        return re.search(r'key\s*=\s*"([^"]+)"', (bake(**answers) / "main.tf").read_text())[1]

    first = key()
    assert first == key(account="123456789012", workspace="prod", region="us-east-1", state_bucket="other")
    assert first == key(storage="s3", nat="per_zone", image_repository="ghcr.io/org/name", jumpbox_cidrs="10.0.0.0/8")


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("./modules", "./modules/vpc"),
        ("git::https://host/org/repo.git//modules?ref=v1", "git::https://host/org/repo.git//modules/vpc?ref=v1"),
        ("git::https://host/org/repo.git//modules/?ref=v1", "git::https://host/org/repo.git//modules/vpc?ref=v1"),
        ("git::https://host/org/modules.git", "git::https://host/org/modules.git//vpc"),
        ("git::ssh://git@host/org/modules.git?ref=v1", "git::ssh://git@host/org/modules.git//vpc?ref=v1"),
        ("git::file:///srv/stack//modules", "git::file:///srv/stack//modules/vpc"),
    ],
)
def test_the_address_of_a_module(source, address):
    assert rules.module_source(source) is None
    assert names.module_address(source, "vpc") == address


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("project_name", "地図"), ("project_name", "O'Brien's \"maps\" 🎉"), ("project_name", "x" * 60),
        ("project_slug", "abc"), ("project_slug", "a" * 28), ("cluster", "a-1-b"), ("workspace", "d"),
        ("workspace", "w" * 16), ("workspace", "administration"), ("owner", "a.b+c_d-e@sub.example.co.uk"),
        ("region", "us-gov-west-1"), ("region", "me-central-1"), ("region", "ap-northeast-3"),
        ("account", ""), ("account", "000000000001"), ("state_bucket", ""), ("state_bucket", "a.b-c"),
        ("state_bucket", "a" * 63), ("image_repository", "registry.example.com:5000/wms"),
        ("image_repository", "org/name"), ("image_repository", "123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b_c"),
        ("jumpbox_cidrs", "10.0.0.0/8"), ("jumpbox_cidrs", "203.0.113.7/32,198.51.100.0/24"), ("storage", "both"),
    ],
)  # fmt: skip
def test_good_answers_are_taken(question, answer):
    assert rules.problem(question, {question: answer}) is None


def test_the_bucket_that_bootstrap_would_make_must_be_one_that_s3_takes():
    answers = {"project_slug": "amzn-s3-demo-maps", "region": "us-east-1", "account": "", "state_bucket": ""}
    assert "amzn-s3-demo-maps-state-" in rules.problem("state_bucket", answers)
    assert rules.problem("state_bucket", {**answers, "state_bucket": "mine"}) is None
    longest = {**LONGEST, "state_bucket": ""}
    assert rules.problem("state_bucket", longest) is None


def test_no_workspace_shares_its_secrets_with_the_administration_of_another():
    """Chamber's services are `<slug>-<workspace>` and `<slug>-<workspace>-admin`."""
    good = [name for name in ("dev", "admin", "dev-admin", "administration") if rules.workspace(name) is None]
    services = {f"maps-{name}" for name in good}
    assert services.isdisjoint({f"maps-{name}-admin" for name in good}) and "dev" in good


def test_going_on_repeats_the_users_own_command_line():
    argv = ["/venv/bin/cookiecutter", "gh:org/template", "--checkout", "v1", "--no-input", "region=us-east-1", "owner=x"]
    command = resume.command({"project_name": "It's"}, refused="owner", argv=argv)
    assert command == """cookiecutter gh:org/template --checkout v1 'project_name=It'"'"'s' region=us-east-1"""


def test_going_on_under_cruft_speaks_crufts_language():
    create = ["/venv/bin/cruft", "create", "https://h/t.git", "-y", "--extra-context", '{"region": "us-east-1"}']
    command = resume.command({"project_name": "Maps"}, refused="owner", argv=create)
    answers = '{"project_name": "Maps", "region": "us-east-1"}'
    assert command == f"cruft create https://h/t.git --extra-context '{answers}'"
    update = resume.command({"project_name": "Maps"}, refused="owner", argv=["/venv/bin/cruft", "diff"])
    assert update == "cruft update --cookiecutter-input"


def test_going_on_after_a_replay_asks_instead_of_replaying():
    argv = ["cookiecutter", "/template", "--replay-file", "answers.json", "-o", "out"]
    assert resume.command({}, refused="owner", argv=argv) == "cookiecutter /template -o out"
