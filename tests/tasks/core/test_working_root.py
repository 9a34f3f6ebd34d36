"""The folder in which Terraform plans and applies: the project's files, a state on this disk, and what is adopted."""

from __future__ import annotations

import os

import pytest

from tasks.core import working_root


@pytest.fixture
def root(root):
    for name in ("main.tf", "versions.tf", ".terraform.lock.hcl", "errored.tfstate", "terraform.tfstate.backup"):
        (root / name).write_text("")
    for name in ("modules", ".git", ".terraform"):
        (root / name).mkdir()
    return root


def test_it_holds_links_to_the_projects_files_and_to_nothing_else(local):
    made = working_root.stack(local)
    links = {path.name for path in made.iterdir() if path.is_symlink()}
    assert links == {"main.tf", "versions.tf", "variables.tf", "invoke.yaml", "workspaces", "modules", ".terraform.lock.hcl"}
    assert all((made / name).resolve() == (local.root / name) for name in links)
    assert 'backend "local"' in (made / "working_override.tf").read_text()


def test_a_file_that_is_gone_from_the_project_goes_from_it_too(local):
    working_root.stack(local)
    (local.root / "versions.tf").rename(local.root / "other.tf")
    made = working_root.stack(local)
    assert not os.path.lexists(made / "versions.tf") and (made / "other.tf").exists()


def test_what_is_adopted_is_an_import_and_only_for_this_plan(local):
    made = working_root.stack(local, {'module.ecs["a"].aws_x.y': 'with "quotes" and ${template}'})
    assert (made / "adopted.tf").read_text() == (
        'import {\n  to = module.ecs["a"].aws_x.y\n  id = "with \\"quotes\\" and $${template}"\n}\n')
    assert (working_root.stack(local) / "adopted.tf").read_text() == ""


def test_a_teardown_holds_the_provider_and_what_is_kept(local):
    made = working_root.teardown(local, {"module.a.aws_kms_key.k", "aws_kms_alias.a"})
    text = (made / "main.tf").read_text()
    assert text.count("destroy = false") == 2 and text.index("aws_kms_alias.a") < text.index("module.a.aws_kms_key.k")
    assert 'allowed_account_ids = ["000000000000"]' in text and "resource" not in text
    assert working_root.folder(local, "stack") != made
