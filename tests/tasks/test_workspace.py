"""`invoke workspace.add`: another environment, whole or not at all."""

from __future__ import annotations

import re

import pytest


def said(text: str, name: str) -> str:
    return re.search(rf'^{name}\s*=\s*"(.*)"', text, re.MULTILINE)[1]


@pytest.fixture
def workspaces(invoke):
    return invoke.folder / "workspaces"


def test_it_is_a_copy_with_its_own_name_account_and_machine_image(invoke, workspaces):
    source = workspaces / "dev.tfvars"
    source.write_text(source.read_text().replace('aws_ami       = ""', 'aws_ami       = "ami-0123"'))
    done = invoke("workspace.add", "prod", "--account", "123456789012", "--region", "eu-central-1")
    assert done.returncode == 0, done.stderr
    made = (workspaces / "prod.tfvars").read_text()
    assert [said(made, name) for name in ("workspace", "account", "region", "aws_ami")] == [
        "prod",
        "123456789012",
        "eu-central-1",
        "",
    ]
    own = ("workspace", "account", "region", "aws_ami")
    strip = re.compile(rf"^({'|'.join(own)})\s*=.*$", re.MULTILINE)
    same = source.read_text().replace("`dev`", "`prod`").replace("dev.images", "prod.images")  # the comments speak of it
    assert strip.sub("", made) == strip.sub("", same)
    assert "next: invoke bootstrap -w prod" in done.stderr and "--account" not in done.stderr
    assert invoke("plan", "-w", "prod").returncode != 4


def test_an_account_may_come_later(invoke, workspaces):
    done = invoke("workspace.add", "prod")
    assert done.returncode == 0 and said((workspaces / "prod.tfvars").read_text(), "account") == ""
    assert "invoke bootstrap -w prod --account 123456789012" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Prod"], "cannot be a workspace"),
        (["../prod"], "cannot be a workspace"),
        (["a" * 17], "cannot be a workspace"),
        (["prod-admin"], "cannot be a workspace"),
        (["default"], "cannot be a workspace"),
        (["dev"], "There is a workspace dev already"),
        (["local"], "There is a workspace local already"),
        (["prod", "--account", "1"], "is not an AWS account id"),
        (["prod", "--region", "sydney"], "is not an AWS region"),
        (["prod", "--source", "none"], "There is no workspace none"),
        (["prod", "--source", "local"], "nothing in it is protected"),
        (["prod", "--account", "000000000000"], "only the workspace local uses it"),
    ],
)
def test_a_wrong_answer_is_refused_and_leaves_nothing(invoke, workspaces, arguments, sentence):
    before = {file.name: file.read_bytes() for file in workspaces.iterdir()}
    done = invoke("workspace.add", *arguments)
    assert (done.returncode, done.stdout) == (4, ""), done
    assert sentence in done.stderr
    assert {file.name: file.read_bytes() for file in workspaces.iterdir()} == before
