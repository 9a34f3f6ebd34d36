"""What the project and its workspaces say: read whole, checked once, refused in one sentence."""

from __future__ import annotations

import json
import os

import pytest

from tasks.core import names, settings
from tasks.core.console import BadInput, Refused

GOOD = {"name": "Small", "slug": "small", "owner": "a@b.c", "cluster": "small"}


def says(root, sentence: str, workspace: str = "local") -> BadInput:
    """One sentence with this in it, and exit code 4."""
    settings._defaults.cache_clear()
    with pytest.raises(BadInput) as bad:
        settings.load(workspace, root)
    assert bad.value.code == 4 and sentence in bad.value.message and "\n" not in bad.value.message, bad.value.message
    return bad.value


def replace(file, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_a_workspace_is_its_file_over_the_defaults_of_the_variables(root, slug):
    (root / "variables_more.tf").write_text(
        'variable "zones" {\n  type = number\n  default = 2\n}\nvariable "none" {\n  default = null\n}\n'
        'variable "instance_type2" {\n  description = "a \\"quoted\\" # word"\n  default = "t3.medium"\n'
        '  validation {\n    condition = true\n    error_message = "no"\n  }\n}\nvariable "needed" {}\n'
    )
    with open(root / "workspaces" / "local.tfvars", "a") as file:
        file.write('zones = 3\n"list" = []\n'.replace('"list"', "list"))
    found = settings.load("local", root)
    assert (found.workspace, found.account, found.region) == ("local", "000000000000", "ap-southeast-2")
    assert (
        found.variables["zones"] == 3
        and found.variables["instance_type2"] == "t3.medium"
        and found.variables["list"] == []
    )
    assert found.variables["none"] is None and "needed" not in found.variables
    assert found.variables["services"] == {"ows": {"image": None, "desired_count": 2}}
    assert (found.id, found.chamber_service, found.admin_service) == (
        f"{slug}-local",
        f"{slug}-local",
        f"{slug}-local-admin",
    )
    assert found.state_bucket == f"{slug}-state-000000000000-ap-southeast-2"
    assert found.is_local and not settings.load("dev", root).is_local


def test_nothing_of_the_settings_can_be_changed(local):
    with pytest.raises(AttributeError):
        local.account = "1"
    with pytest.raises(AttributeError):
        local.project.slug = "x"


def test_a_bucket_of_the_projects_own_is_used(root):
    replace(root / "invoke.yaml", "  plan_max", '  state_bucket: "ours"\n  plan_max')
    assert settings.load("local", root).state_bucket == "ours"


def test_the_commands_that_are_told_name_the_workspace(root):
    assert settings.load("local", root).command("apply") == "invoke apply"
    assert settings.load("dev", root).command("apply", "--yes") == "invoke apply -w dev --yes"


def test_an_account_that_is_not_known_yet_is_refused_when_it_is_needed(root):
    replace(root / "workspaces" / "dev.tfvars", '"111111111111"', '""')
    found = settings.load("dev", root)
    with pytest.raises(Refused) as refused:
        found.require_account()
    assert refused.value.run == "invoke bootstrap -w dev --account 123456789012"


@pytest.mark.parametrize(
    "name",
    [
        "Prod",
        "prod_1",
        "1prod",
        "prod-",
        "-prod",
        "a--b",
        "a" * 17,
        "default",
        "../x",
        "a/b",
        "a b",
        "prod\n",
        "é",
        ".",
        "admin",
        "prod-admin",
    ],
)
def test_a_name_that_is_no_workspace_name(root, name):
    says(root, "cannot be a workspace", workspace=name)


@pytest.mark.parametrize("name", ["local", "p", "administration", "admin-2", "prod-2", "a" * 16, "a1-b2-c3"])
def test_a_workspace_name(name):
    assert names.check_workspace(name) == name


def test_a_workspace_that_is_not_there_names_those_that_are(root):
    bad = says(root, "There is no workspace prod (known: dev, local).", workspace="prod")
    assert bad.run == "invoke workspace.add prod"


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ('account   = "000000000000"', "", 'local.tfvars must say account = "…".'),
    ('account   = "000000000000"', "account = 0", 'local.tfvars must say account = "…".'),
    ('account   = "000000000000"', "account = null", 'local.tfvars must say account = "…".'),
    ('account   = "000000000000"', 'account = "111111111111"', 'local.tfvars must say account = "000000000000"'),
    ('region    = "ap-southeast-2"', 'region = "sydney"', "'sydney' is not an AWS region"),
    ('region    = "ap-southeast-2"', 'region = ["a"]', 'local.tfvars must say region = "…".'),
    ('region    = "ap-southeast-2"', "", 'local.tfvars must say region = "…".'),
    ('workspace = "local"', 'workspace = "dev"', 'local.tfvars must say workspace = "local", as its name does.'),
    ('workspace = "local"', "", 'local.tfvars must say workspace = "local"'),
    ('workspace = "local"', 'workspace = "local', "local.tfvars is not valid: "),
    ('workspace = "local"', "workspace = local }", "local.tfvars is not valid: "),
    ('aws_ami = ""', "aws_ami = 5", "local.tfvars: aws_ami must be a text"),
    ('aws_ami = ""', 'aws_ami = ""\ninstance_type = ["t3.medium"]', "local.tfvars: instance_type must be a text"),
    ("ows = { image = null, desired_count = 2 }", 'ows = "x"', "local.tfvars: services must be a map"),
])
def test_a_tfvars_file_that_is_wrong(root, old, new, sentence):
    replace(root / "workspaces" / "local.tfvars", old, new)
    says(root, sentence)


def test_services_that_are_no_map(root):
    file = root / "workspaces" / "local.tfvars"
    file.write_text(file.read_text().partition("services")[0] + 'services = ["ows"]\n')
    says(root, "local.tfvars: services must be a map")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"account = \x80", b"\x00"])
def test_a_tfvars_file_that_is_no_text(root, content):
    (root / "workspaces" / "local.tfvars").write_bytes(content)
    says(root, "local.tfvars is not valid: ")


@pytest.mark.parametrize(
    "account", ["1", "12345678901", "1234567890123", "11111111111a", " 11111111111", "１２３４５６７８９０１２"]
)
def test_an_account_that_is_no_account(root, account):
    replace(root / "workspaces" / "dev.tfvars", "111111111111", account)
    says(root, "is not an AWS account id", workspace="dev")


def test_only_local_is_the_embedded_account(root):
    replace(root / "workspaces" / "dev.tfvars", "111111111111", "000000000000")
    says(root, "only the workspace local may", workspace="dev")


def test_a_variables_file_that_is_wrong(root):
    (root / "variables_more.tf").write_text('variable "x" {')
    assert says(root, "variables_more.tf is not valid: ").run == "terraform fmt"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"slug": None}, "slug is None; it must be a text"),
        ({"slug": 5}, "slug is 5; it must be a text"),
        ({"slug": ""}, "must say slug"),
        ({"slug": "a/b"}, "'a/b' cannot begin AWS names"),
        ({"slug": "../x"}, "cannot begin AWS names"),
        ({"slug": "ab"}, "cannot begin AWS names"),
        ({"slug": "a" * 29}, "cannot begin AWS names"),
        ({"slug": "abc\n"}, "cannot begin"),
        ({"cluster": "Big"}, "'Big' cannot begin AWS names"),
        ({"cluster": ["a"]}, "cluster is ['a']; it must be a text"),
        ({"plan_max_age_minutes": "soon"}, "plan_max_age_minutes is 'soon'; it must be a whole number"),
        ({"plan_max_age_minutes": True}, "it must be a whole number"),
        ({"plan_max_age_minutes": 1.5}, "it must be a whole number"),
        ({"template": "x"}, "template is 'x'; it must be a section"),
        ({"image_repository": 3}, "image_repository is 3"),
        ({"colour": "red"}, "the section project has no colour"),
        ({5: 5}, "the section project has no 5"),
    ],
)
def test_an_invoke_yaml_whose_section_is_wrong(root, change, sentence):
    (root / "invoke.yaml").write_text(json.dumps({"project": {**GOOD, **change}}))
    if 5 in change:
        (root / "invoke.yaml").write_text("project: {5: 5}")
    says(root, sentence)


@pytest.mark.parametrize("name", GOOD)
def test_an_invoke_yaml_that_does_not_say_enough(root, name):
    (root / "invoke.yaml").write_text(json.dumps({"project": {key: value for key, value in GOOD.items() if key != name}}))
    says(root, f"invoke.yaml must say {name} in the section project.")


@pytest.mark.parametrize("content", ["", "[]", "text", "projects: {}", "project:", "project: []", "project: text", "null"])
def test_an_invoke_yaml_without_its_section(root, content):
    (root / "invoke.yaml").write_text(content)
    says(root, "invoke.yaml must hold a section project")


@pytest.mark.parametrize(
    "content", [b"project: {", b"a: b: c", b"\t- x", b"\xff\xfe", b"!!python/object:os.system {}", b"*x"]
)
def test_an_invoke_yaml_that_is_no_yaml(root, content):
    (root / "invoke.yaml").write_bytes(content)
    says(root, "invoke.yaml is not valid YAML: ")


def test_an_invoke_yaml_that_is_missing(root):
    (root / "invoke.yaml").unlink()
    says(root, "invoke.yaml is missing")


def test_images_are_read_from_their_own_file(root):
    file = root / "workspaces" / "local.images.tfvars.json"
    file.write_text('{"images": {"ows": "repo@sha256:1"}}')
    found = settings.load("local", root)
    assert found.images == {"ows": "repo@sha256:1"}
    assert [path.name for path in found.var_files] == ["local.tfvars", "local.images.tfvars.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"images": null}', '{"images": []}', '{"images": "x"}',
                                     '{"images": {"ows": null}}', '{"images": {"ows": 5}}', '"images"'])
def test_an_images_file_that_is_wrong(root, content):
    (root / "workspaces" / "local.images.tfvars.json").write_text(content)
    says(root, "local.images.tfvars.json must hold")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_recording_a_value_changes_one_line_and_nothing_else(root, ending):
    file = root / "workspaces" / "dev.tfvars"
    text = file.read_text() + '# account = "0"\nmore = {\n  account = "0"\n}\nmy_account = "0"\n'
    file.write_bytes(text.replace("\n", ending).encode())
    settings.record(file, "account", "222222222222")
    assert file.read_bytes() == text.replace("111111111111", "222222222222").replace("\n", ending).encode()
    settings.record(file, "region", "us-east-1")
    assert 'region    = "us-east-1" # kept, too' in file.read_text()
    assert settings.load("dev", root).account == "222222222222"


@pytest.mark.parametrize(
    "text", ["", "account = 5\n", 'account = "1"\naccount = "2"\n', '# account = "1"\n', 'account =\n"1"\n']
)
def test_a_value_without_its_one_line_is_not_recorded(tmp_path, text):
    file = tmp_path / "x.tfvars"
    file.write_text(text)
    with pytest.raises(BadInput, match="should hold exactly one line account"):
        settings.record(file, "account", "2")
    assert file.read_text() == text


def test_a_failure_while_a_value_is_recorded_leaves_the_old_file_and_nothing_beside_it(root, monkeypatch):
    file = root / "workspaces" / "dev.tfvars"
    file.chmod(0o664)
    before = file.read_bytes(), sorted(file.parent.iterdir())
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("No space left on device")))
        with pytest.raises(OSError):
            settings.record(file, "account", "222222222222")
    assert (file.read_bytes(), sorted(file.parent.iterdir())) == before
    settings.record(file, "account", "222222222222")
    assert file.stat().st_mode & 0o777 == 0o664 and b"222222222222" in file.read_bytes()


def test_a_value_that_is_there_already_is_not_written_again(root):
    file = root / "workspaces" / "dev.tfvars"
    before = file.stat().st_mtime_ns
    settings.record(file, "account", "111111111111")
    assert file.stat().st_mtime_ns == before


def test_a_name_over_a_limit_becomes_its_beginning_and_a_hash():
    assert names.within(32, "a" * 32) == "a" * 32
    assert names.within(32, "a" * 33) == "a" * 24 + "-" + "2368a1a"
    assert len(names.within(32, "x" * 100)) == 32
