"""terraform init: the right state, no silent change of it, and only when something has changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tasks.core import initialise, settings, state_bucket
from tasks.core.console import BadInput, Refused
from tasks.core.terraform import Terraform

MAIN = """
terraform {
  backend "s3" {
    key          = "small-abc1234/terraform.tfstate" # the only place
    encrypt      = true
    use_lockfile = true
  }
}
resource "terraform_data" "one" {}
"""


@pytest.fixture
def ready(aws, need) -> Terraform:
    """A project with the S3 backend, its bucket there, not yet initialised."""
    need("terraform")
    (aws.settings.root / "main.tf").write_text(MAIN)
    state_bucket.ensure(aws)
    return Terraform(aws)


def quiet(text: str) -> None:
    pass


def test_the_state_lies_in_the_bucket_under_the_key_of_main_tf_and_the_workspace(ready, client):
    local = ready.settings
    assert initialise.backend(local) == {"bucket": local.state_bucket, "key": "small-abc1234/terraform.tfstate",
                                         "region": "ap-southeast-2"}
    initialise.initialise(ready, quiet)
    ready.run("apply", auto_approve=True, input=False, var_file=["workspaces/local.tfvars"])
    listed = client("s3").list_objects_v2(Bucket=local.state_bucket)["Contents"]
    assert [found["Key"] for found in listed] == [initialise.state_object(local)]
    assert (local.root / ".terraform" / "local").is_dir()


def test_it_runs_once_and_again_when_what_it_reads_has_changed(ready):
    local = ready.settings
    assert initialise.needed(local)
    initialise.initialise(ready, quiet)
    assert not initialise.needed(local)
    for name in ("more.tf", "modules/vpc/versions.tf", ".terraform.lock.hcl"):
        (local.root / name).parent.mkdir(parents=True, exist_ok=True)
        (local.root / name).write_text("# changed\n")
        assert initialise.needed(local), name
        initialise.initialise(ready, quiet)
        assert not initialise.needed(local)


def test_each_workspace_is_initialised_by_itself(ready):
    initialise.initialise(ready, quiet)
    assert initialise.needed(settings.load("dev", ready.settings.root))


def test_another_state_than_before_is_refused_until_it_is_meant(ready):
    initialise.initialise(ready, quiet)
    main = ready.settings.root / "main.tf"
    main.write_text(MAIN.replace("small-abc1234", "other-abc1234"))
    with pytest.raises(
        Refused, match="has been small-abc1234/terraform.tfstate in .*; main.tf and the settings now say other-"
    ) as refused:
        initialise.initialise(ready, quiet)
    assert refused.value.run == "invoke init --new-backend"
    initialise.initialise(ready, quiet, new_backend=True)
    assert not initialise.needed(ready.settings)


def test_another_bucket_is_another_state(ready):
    initialise.initialise(ready, quiet)
    local = ready.settings
    ready.settings = replace(local, project=replace(local.project, state_bucket="elsewhere"))
    with pytest.raises(Refused, match="elsewhere"):
        initialise.initialise(ready, quiet)


@pytest.mark.parametrize(
    "main", ["", "terraform {}", 'terraform {\n  backend "s3" {}\n}', 'terraform {\n  backend "local" {}\n}']
)
def test_a_main_tf_without_a_key_is_a_sentence(local, main):
    (local.root / "main.tf").write_text(main)
    with pytest.raises(BadInput, match='main.tf must hold a backend "s3" block with a key'):
        initialise.backend(local)


def test_a_mirror_that_holds_no_provider_is_a_sentence(ready, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_PROVIDER_MIRROR", str(tmp_path))
    with pytest.raises(BadInput, match="which holds no registry.terraform.io/hashicorp/aws"):
        initialise.initialise(ready, quiet)


def test_a_mirror_that_is_named_is_used(ready, monkeypatch, tmp_path):
    (tmp_path / initialise.PROVIDER).mkdir(parents=True)
    monkeypatch.setenv("TF_PROVIDER_MIRROR", str(tmp_path))
    initialise.initialise(ready, quiet)
    assert ready.environment["TF_CLI_CONFIG_FILE"] == str(ready.settings.local_dir / "terraform.rc")
    assert str(tmp_path) in (ready.settings.local_dir / "terraform.rc").read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
def test_a_damaged_record_means_init_again(ready, content):
    initialise.initialise(ready, quiet)
    (ready.settings.root / ".terraform" / "local" / "initialised.json").write_text(content)
    assert initialise.needed(ready.settings)
    initialise.initialise(ready, quiet)
    assert json.loads((ready.settings.root / ".terraform" / "local" / "initialised.json").read_text())["backend"]
