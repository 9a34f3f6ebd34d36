"""How the tasks are built: doors, names, flags, help. What a reader may lean on in every file."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.parser import Parser

import tasks

FOLDER = Path(tasks.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
CONTEXTS = tasks.namespace.to_contexts()

DOORS = {"boto3": {"core/session.py"}, "botocore": {"core/session.py"}, "docker": {"core/images.py"},
         "python_terraform": {"core/terraform.py"}, "cryptography": {"core/backup.py"}, "PIL": {"core/pictures.py"},
         "hcl2": {"core/settings.py"}, "yaml": {"core/settings.py"}}
POSITIONAL = {  # chamber's own words in chamber's own order
    "workspace.add": ["name"],
    "service.run": ["job"],
    "chamber.write": ["service", "key"],
    "chamber.read": ["service", "key"],
    "chamber.history": ["service", "key"],
    "chamber.delete": ["service", "key"],
    "chamber.list": ["service"],
    "chamber.export": ["service"],
    "chamber.import": ["service", "file"],
}
CONFIRMING = {  # ask before they change something
    "apply", "deploy", "recover", "kms.create", "kms.forget", "kms.import", "kms.rescue", "logs.forget", "logs.import",
    "chamber.copy", "chamber.delete", "chamber.rotate", "docker.promote",
    "service.rollback",
}  # fmt: skip
NEVER_IN_AN_ACCOUNT = {"docker.build", "docker.promote", "docker.run"}
REPORTING = {
    "bootstrap.make",  # `invoke bootstrap`: its namespace's default
    "bootstrap.remove",
    "destroy",
    "kms.status",
    "logs.import",
    "logs.tail",
    "plan",
    "apply",
    "deploy",
    "output",
    "doctor",
    "local.up",
    "local.down",
    "local.status",
    "local.reset",
    "workspace.list",
    "chamber.diff",
    "chamber.history",
    "chamber.list",
    "chamber.list-services",
    "chamber.read",
    "docker.build",
    "docker.digest",
    "docker.push",
    "service.run",
    "service.status",
    "service.wait",
    "wms.smoke",
    "drift",
    "recover",
    "state.history",
}
EXPECTED = {
    "bootstrap.make", "bootstrap.remove", "destroy", "init", "plan", "apply", "output", "deploy", "doctor",
    "workspace.add", "local.up", "local.down", "local.status", "local.reset", "docker.build", "docker.push",
    "docker.run", "docker.digest", "chamber.write", "chamber.read", "chamber.list", "chamber.list-services",
    "chamber.history", "chamber.delete", "chamber.export", "chamber.import", "chamber.copy", "chamber.diff",
    "chamber.rotate", "service.run", "service.wait", "service.status", "service.rollback", "service.exec",
    "logs.tail", "logs.import", "logs.forget", "kms.status", "kms.create", "kms.import", "kms.forget",
    "kms.rescue", "wms.smoke", "wms.map", "drift", "recover", "state.backup", "state.history", "state.restore",
    "state.unlock", "state.push-errored",
}  # fmt: skip


def imports(file: Path) -> set[str]:
    """The packages from outside that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_each_outside_system_has_one_door():
    found = {package: {str(file.relative_to(FOLDER)) for file in FILES if package in imports(file)} for package in DOORS}
    assert found == DOORS


def test_only_the_core_runs_programs_and_the_core_knows_nothing_of_invoke():
    runs_programs = {file for file in FILES if "subprocess" in imports(file)}
    knows_invoke = {file for file in FILES if "invoke" in imports(file)}
    assert all(file.parent.name == "core" for file in runs_programs)
    assert not [file for file in knows_invoke if file.parent.name == "core"]


def test_the_tasks_and_the_embedded_aws_do_not_import_each_other():
    local = FOLDER.parent / "local"
    theirs = {file.stem for file in local.glob("*.py")} | {"mends", "ministack"}
    assert not any(imports(file) & (theirs - {"local"}) for file in FILES)
    assert not any("tasks" in imports(file) for file in local.rglob("*.py"))


def test_no_module_bears_the_name_of_an_installed_package():
    """Invoke puts `tasks/` first on the path, so it would hide that package in the real command line."""
    installed = set(importlib.metadata.packages_distributions()) | set(sys.stdlib_module_names)
    ours = {file.stem for file in FOLDER.glob("*.py")} | {folder.name for folder in FOLDER.iterdir() if folder.is_dir()}
    assert not (ours - {"__init__", "__pycache__"}) & installed


def test_imports_inside_are_relative():
    own = {file.stem for file in FILES} - {"__init__"}
    assert not any(imports(file) & ({"tasks"} | own - set(sys.stdlib_module_names)) for file in FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_each_file_says_what_it_is_for_and_can_be_read_in_one_sitting(file):
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), f"{file.name} opens with no docstring."
    assert len(file.read_text().splitlines()) <= 340


def test_every_task_that_this_chapter_promises_is_there():
    assert {context.name for context in CONTEXTS} >= EXPECTED


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_every_flag_is_explained(context):
    for name, argument in context.args.items():
        assert argument.help, f"{context.name} --{name}"
    task = tasks.namespace[context.name]
    assert task.__doc__ and task.__doc__.strip().endswith(".")


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_no_argument_is_positional_unless_it_destroys_nothing(context):
    assert [argument.name for argument in context.positional_args] == POSITIONAL.get(context.name, [])


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_flags_that_the_contract_names(context):
    flags = context.flags
    space = context.name.partition(".")[0]
    if space != "workspace":
        assert "-w" in flags and "--workspace" in flags
        assert context.args["workspace"].default in (None, "local")
    assert ("--yes" in flags) == (context.name in CONFIRMING)
    assert ("--json" in flags) == (context.name in REPORTING)
    if space not in ("local", "workspace") and context.name not in NEVER_IN_AN_ACCOUNT:
        assert "--endpoint-from-env" in flags


def test_a_short_flag_means_the_same_in_every_task():
    """Invoke chooses them by the order of a task's arguments."""
    for name, short in {"json": "j", "workspace": "w", "yes": "y"}.items():
        said = {context.name: context.args[name].names for context in CONTEXTS if name in context.args}
        assert said and all(short in names for names in said.values()), said
        others = [context.name for context in CONTEXTS if f"-{short}" in context.flags and f"--{name}" not in context.flags]
        assert others == []
    following = [context for context in CONTEXTS if "follow" in context.args]
    assert following and all("f" in context.args["follow"].names for context in following)


def test_every_task_parses_what_its_help_shows():
    parser = Parser(contexts=CONTEXTS)
    for context in CONTEXTS:
        line = [context.name]
        for name, argument in context.args.items():
            if argument.positional:
                line.append("value")
            elif argument.kind is bool:
                line.append(f"--{name}")
            else:
                line += [f"--{name}", "value"]
        [parsed] = parser.parse_argv(line)
        assert parsed.name == context.name
        for argument in parsed.args.values():
            assert argument.value in (True, "value", ["value"]), (context.name, argument.name)


def test_what_may_be_repeated_is_a_list():
    parser = Parser(contexts=CONTEXTS)
    for name in ("apply", "deploy"):
        [parsed] = parser.parse_argv([name, "--allow-replace", "a", "--allow-replace", "b"])
        assert parsed.args["allow-replace"].value == ["a", "b"]


def test_commands_that_are_told_to_the_user_exist():
    """Each `invoke NAME` in a string of the tasks is a task of this project, or of a later chapter."""
    known = {name for context in CONTEXTS for name in (context.name, *context.aliases)} | {"…"}
    told = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told |= set(re.findall(r"\binvoke ([a-z_.]+[a-z])", node.value))
    for call in re.findall(r'\.command\("([a-z.-]+)"', "".join(file.read_text() for file in FILES)):
        told.add(call)
    assert told <= known, told - known


def test_the_doors_can_be_opened():
    """The packages are really there: a door that is never opened in a test would hide a missing pin."""
    pinned = (FOLDER.parent / "requirements.txt").read_text()
    for package, distribution in {"boto3": "boto3", "docker": "docker", "python_terraform": "python-terraform",
                                  "hcl2": "python-hcl2", "yaml": "PyYAML", "rich": "rich", "invoke": "invoke"}.items():
        assert importlib.util.find_spec(package)
        assert re.search(rf"^{distribution}==\d", pinned, re.MULTILINE)


def test_the_supervisor_starts_without_invoke_and_the_tasks():
    """It lives as long as Terraform does; what it imports is paid for at every run."""
    heavy = {"invoke", "boto3", "rich", "yaml", "hcl2", "tasks"}
    line = f"import sys, core.supervisor; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", line], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
