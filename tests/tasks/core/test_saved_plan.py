"""A saved plan is applied as it was made, or not at all: every reason why it no longer holds, one by one."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.core import saved_plan, settings
from tasks.core.console import Refused
from tasks.core.plan import Change, Plan
from tasks.core.saved_plan import SavedPlan
from tasks.core.settings import Settings

MAIN = 'terraform {\n  backend "s3" {\n    key = "small-1/terraform.tfstate"\n  }\n}\n'
PLAN = Plan((Change("a.b", "a", "create", False), Change("c.d", "aws_db_instance", "update", True)), outputs=1)
FILES = {
    "main.tf": MAIN,
    "modules/ecs/main.tf": "# m",
    "modules/ec2_instances/templates/user_data.sh.tftpl": "#!/bin/sh",
    "task-definitions/ows.json.tftpl": "[]",
    ".terraform.lock.hcl": "# lock",
    "workspaces/local.images.tfvars.json": '{"images": {"ows": "r@sha256:1"}}',
}


@pytest.fixture
def project(root) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def saved(project) -> Settings:
    """The settings that a plan was just saved under."""
    local = settings.load("local", project)
    save(local)
    return local


def save(local: Settings, content: bytes = b"a plan of Terraform") -> SavedPlan:
    """As Terraform writes a plan, and the task the sidecar beside it."""
    saved_plan.draft(local).write_bytes(content)
    return saved_plan.save(local, saved_plan.present_facts(local), PLAN, password_version=3, terraform_version="1.11.4")


def sidecar(local: Settings, **changes) -> dict:
    file = local.local_dir / "plans" / "local.json"
    facts = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps(facts))
    return facts


def refusal(local: Settings) -> str:
    """Why the plan is refused now, by settings read anew."""
    settings._defaults.cache_clear()
    with pytest.raises(Refused) as refused:
        saved_plan.load(settings.load("local", local.root))
    assert (refused.value.code, refused.value.run) == (3, "invoke plan")
    return refused.value.message


def test_a_plan_comes_back_as_it_was_saved(saved):
    found = saved_plan.load(settings.load("local", saved.root))
    assert found.plan.as_dict() == PLAN.as_dict() and found.plan.outputs == 1
    assert found.file.read_bytes() == b"a plan of Terraform"
    assert found.facts["password_version"] == 3


def test_the_sidecar_says_what_the_plan_was_made_from(saved):
    facts = sidecar(saved)
    assert facts["workspace"] == "local" and facts["account"] == "000000000000" and facts["region"] == "ap-southeast-2"
    assert facts["backend"] == {"bucket": saved.state_bucket, "key": "small-1/terraform.tfstate", "region": "ap-southeast-2"}
    assert facts["images"] == {"ows": "r@sha256:1"}
    assert set(facts["files"]) == {*FILES, "variables.tf", "invoke.yaml", "workspaces/local.tfvars"}
    assert facts["terraform_version"] == "1.11.4" and len(facts["plan_sha256"]) == 64
    assert datetime.now(timezone.utc) - datetime.fromisoformat(facts["created_at"]) < timedelta(minutes=1)


def test_only_the_owner_can_read_plan_and_sidecar(saved):
    folder = saved.local_dir / "plans"
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", [*FILES, "variables.tf", "workspaces/local.tfvars", "invoke.yaml"])
def test_a_file_that_terraform_reads_has_changed(saved, name):
    file = saved.root / name
    file.write_text(
        file.read_text() + "\n# edited\n" if not name.endswith(".json") else '{"images":  {"ows": "r@sha256:1"}}'
    )
    assert refusal(saved) == f"The saved plan no longer holds: changed since: {name}."


@pytest.mark.parametrize("name", ["extra.tf", "override.tf.json", "terraform.tfvars", "x.auto.tfvars", "x.auto.tfvars.json",
                                  "modules/ecs/policy.json", "task-definitions/jobs/index.json.tftpl"])
def test_a_file_that_terraform_reads_has_come(saved, name):
    (saved.root / name).parent.mkdir(exist_ok=True)
    (saved.root / name).write_text("")
    assert f"changed since: {name}" in refusal(saved)


@pytest.mark.parametrize("name", ["modules/ecs/main.tf", "task-definitions/ows.json.tftpl", ".terraform.lock.hcl"])
def test_a_file_that_terraform_reads_has_gone(saved, name):
    (saved.root / name).unlink()
    assert f"changed since: {name}" in refusal(saved)


@pytest.mark.parametrize(
    "name", ["README.rst", "tasks/x.py", "workspaces/dev.tfvars", "image/Dockerfile", "tests/x.tftest.hcl"]
)
def test_a_file_that_terraform_does_not_read_is_nobodys_business(saved, name):
    (saved.root / name).parent.mkdir(exist_ok=True)
    (saved.root / name).write_text("# edited\n")
    saved_plan.load(saved)


@pytest.mark.parametrize(("fact", "then", "phrase"), [
    ("workspace", "dev", "workspace was dev and is local"),
    ("account", "111111111111", "account was 111111111111 and is 000000000000"),
    ("region", "us-east-1", "region was us-east-1 and is ap-southeast-2"),
])
def test_it_was_made_for_another_place(saved, fact, then, phrase):
    sidecar(saved, **{fact: then})
    assert refusal(saved) == f"The saved plan no longer holds: {phrase}."


def test_it_was_made_for_another_state(saved):
    sidecar(saved, backend={**sidecar(saved)["backend"], "key": "other/terraform.tfstate"})
    assert refusal(saved) == ("The saved plan no longer holds: backend: key was other/terraform.tfstate and is "
                              "small-1/terraform.tfstate.")


def test_it_was_made_with_another_image(saved):
    saved.images_file.write_text('{"images": {"ows": "r@sha256:2"}}')
    assert (
        "images: ows was r@sha256:1 and is r@sha256:2; changed since: workspaces/local.images.tfvars.json"
        in refusal(saved)
    )


def test_the_image_of_the_tfvars_goes_before_the_pinned_one(saved):
    saved.tfvars.write_text(saved.tfvars.read_text().replace("image = null", 'image = "own:1"'))
    assert saved_plan.images(settings.load("local", saved.root)) == {"ows": "own:1"}


def test_the_plan_file_is_another_one(saved):
    saved_plan.file(saved).write_bytes(b"a plan of somebody else")
    assert refusal(saved) == "The saved plan no longer holds: the plan file is not the one that was written."


@pytest.mark.parametrize(("limit", "age", "phrase"), [
    (120, 119, None), (120, 121, "it is 2 h 1 min old, and 2 h 0 min is the limit"),
    (5, 6, "it is 6 min old, and 5 min is the limit (plan_max_age_minutes)"), (600, 599, None),
])
def test_it_is_older_than_the_limit_which_is_a_setting(project, limit, age, phrase):
    file = project / "invoke.yaml"
    file.write_text(file.read_text().replace("plan_max_age_minutes: 120", f"plan_max_age_minutes: {limit}"))
    local = settings.load("local", project)
    save(local)
    sidecar(local, created_at=(datetime.now(timezone.utc) - timedelta(minutes=age)).isoformat())
    if phrase:
        assert phrase in refusal(local)
    else:
        saved_plan.load(local)


def test_every_reason_is_named_at_once(saved):
    sidecar(saved, region="us-east-1")
    saved_plan.file(saved).write_bytes(b"x")
    (saved.root / "main.tf").write_text(MAIN + "#")
    said = refusal(saved)
    assert said.count("; ") == 2 and "region" in said and "main.tf" in said and "the plan file" in said


@pytest.mark.parametrize("damage", [lambda folder: (folder / "local.json").write_text('{"half'),
                                    lambda folder: (folder / "local.json").unlink(),
                                    lambda folder: (folder / "local.tfplan").unlink(),
                                    shutil.rmtree])
def test_half_a_saved_plan_is_none(saved, damage):
    damage(saved.local_dir / "plans")
    assert refusal(saved) == "There is no saved plan for workspace local."


def test_a_discarded_plan_is_gone(saved):
    saved_plan.discard(saved)
    assert list((saved.local_dir / "plans").iterdir()) == []
    saved_plan.discard(saved)


def test_the_commit_is_shown_and_never_a_reason(project, need):
    need("git")

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments], cwd=project, check=True,
                       capture_output=True)

    git("init")
    git("add", "main.tf")
    git("commit", "-m", "one")
    local = settings.load("local", project)
    commit = save(local).facts["git"]
    assert len(commit) >= 8 and commit.endswith("+"), "Files that are not committed are marked."
    git("commit", "--allow-empty", "-m", "two")
    saved_plan.load(local)


def test_a_plan_that_is_taken_can_be_changed_by_nobody(saved):
    shown = saved_plan.load(saved)
    taken = saved_plan.take(saved, shown)
    assert taken.file != shown.file and not shown.file.exists() and saved_plan.peek(saved) is None
    save(saved, b"another plan")
    assert taken.file.read_bytes() == b"a plan of Terraform"
    assert saved_plan.taken(saved).facts == shown.facts
    saved_plan.discard_taken(saved)
    assert saved_plan.taken(saved) is None and saved_plan.load(saved)


def test_a_plan_made_while_the_question_was_open_is_not_applied_in_the_shown_ones_place(saved):
    shown = saved_plan.load(saved)
    save(saved, b"another plan")
    with pytest.raises(Refused, match="Another plan was made since this one was shown"):
        saved_plan.take(saved, shown)
    assert saved_plan.load(saved).file.read_bytes() == b"another plan"


def test_a_plan_that_grew_old_while_the_question_was_open_is_not_applied(saved):
    shown = saved_plan.load(saved)
    sidecar(saved, created_at=(datetime.now(timezone.utc) - timedelta(hours=3)).isoformat())
    with pytest.raises(Refused, match="it is 3 h 0 min old"):
        saved_plan.take(saved, shown)


@pytest.mark.parametrize("damage", ["{}", "[]", '{"created_at": "yesterday"}', "not JSON"])
def test_a_damaged_sidecar_is_no_plan(saved, damage):
    (saved.local_dir / "plans" / "local.json").write_text(damage)
    with pytest.raises(Refused, match="There is no saved plan"):
        saved_plan.load(saved)
