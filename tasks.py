"""For people who work on the template: try it, test it, check it, measure it, draw its picture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from invoke import Exit, task

ROOT = Path(__file__).resolve().parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
BUILD = ROOT / "build"
# Faults that are no kill: two people, a state that is away or gone, permissions, orders, half and throttled answers.
OTHER_FAULTS = [f"stack/test_{name}.py" for name in ("permissions", "two_people", "state", "history", "keys", "log_groups",
                                                     "destroy", "guards", "in_flight", "neighbours")]
OTHER_FAULTS += [f"tasks/core/test_{name}.py" for name in ("session", "parameter_store")]
# Invoke and Python of the environment that runs this file, whether or not it is activated.
INVOKE = [sys.executable, "-m", "invoke"]


def _call(command: list[str], folder: Path = ROOT, **environment: str) -> int:
    return subprocess.run(command, cwd=folder, env={**os.environ, **environment}).returncode


def _must(command: list[str], folder: Path = ROOT, **environment: str) -> None:
    code = _call(command, folder, **environment)
    if code:
        raise Exit(code=code)


def _tool(name: str) -> str:
    """A program that requirements.txt put into the same environment."""
    return str(Path(sys.executable).with_name(name))


def _bake(folder: Path) -> Path:
    """The project that the default answers make, in a folder; baked over an earlier one, whose state stays."""
    from cookiecutter.main import cookiecutter

    return Path(cookiecutter(str(ROOT), no_input=True, overwrite_if_exists=True, output_dir=str(folder)))


@task
def demo(context):
    """Bake the default project into build/demo and deploy it to the embedded AWS. Needs no AWS account."""
    project = _bake(BUILD / "demo")
    _must([*INVOKE, "deploy", "--workspace", "local", "--yes"], project)
    there = os.path.relpath(project)
    back = os.path.relpath(Path(sys.executable).parent, project)
    print(f"""
Look around:

    cd {there} && source {back}/activate
    invoke wms.map           the map, in the browser (where containers run)
    invoke plan              what would change: nothing
    invoke output            addresses, services, log groups
    invoke doctor            is everything there?
    invoke local.down        stop the embedded AWS; invoke local.up brings it back
""")


@task(help={
    "only": "a folder or file below tests/, or a pytest expression for -k",
    "fast": "without what deploys a whole stack",
})
def test(context, only="", fast=False):
    """Run the tests of the template and of the project that it makes."""
    chosen = [str(ROOT / "tests" / only)] if only and (ROOT / "tests" / only).exists() else ["-k", only] if only else []
    # Much of it is waiting, for AWS's provider and for ECS: two processes, each with whole folders, the long ones first.
    # More would starve the containers that have to become healthy in time.
    together = [] if only else ["-n", "2", "--no-loadscope-reorder"]
    _must([sys.executable, "-m", "pytest", *chosen, *together, *(["-m", "not stack and not running"] if fast else [])])


@task(help={"fix": "mend what can be mended"})
def lint(context, fix=False):
    """Check the style of Python, Terraform, shell and Dockerfile."""
    scripts = [ROOT / ".ci" / "run", *sorted(ROOT.glob("tests/stand_ins/*/*.sh")), *sorted((PROJECT / "image").glob("*.sh"))]
    commands = [
        [sys.executable, "-m", "ruff", "check", *(["--fix"] if fix else []), "."],
        ["terraform", "fmt", *([] if fix else ["-check", "-diff"]), "-recursive", str(PROJECT / "modules")],
        ["terraform", "fmt", *([] if fix else ["-check", "-diff"]), "-recursive", str(PROJECT / "tests")],
        [_tool("shellcheck"), "--external-sources", "--source-path=SCRIPTDIR", *map(str, scripts)],
        [_tool("hadolint"), str(PROJECT / "image" / "Dockerfile")],
    ]
    codes = [_call(command) for command in commands]
    if any(codes):
        raise Exit(code=1)


@task(help={"json": "the figures as JSON"})
def bench(context, json=False):
    """Compare deploy with the same Terraform commands typed by hand, as a ratio, in one run."""
    _must([sys.executable, str(ROOT / "tests" / "bench.py"), *(["--json"] if json else [])])


@task(help={
    "moments": "of each fault, spread over each run",
    "together": "how many at the same time; most of each is waiting",
    "phase": "only apply, update or destroy",
    "fault": "only those with this in their name",
    "table": "kill, cut and interrupt; --no-table runs the others alone",
    "others": "two people, the state away, permissions, orders; --no-others leaves them out",
})
def faults(context, moments=12, together=5, phase="", fault="", table=True, others=True):
    """Kill, cut off and interrupt every kind of run at many moments, and all other faults once; two to three hours.

    Writes build/faults.rst, and keeps the rows that were not run again.
    """
    folders = [*(["faults"] if table else []), *(OTHER_FAULTS if others and not (phase or fault) else [])]
    ours = os.pathsep.join(str(ROOT / "tests" / each) for each in ("faults", "support"))
    _must([sys.executable, "-m", "pytest", "-q", "-p", "report", *(str(ROOT / "tests" / each) for each in folders)],
          FAULT_MOMENTS=str(moments), FAULT=fault, FAULTS_TOGETHER=str(together), PYTHONPATH=ours,
          **({"FAULT_PHASES": phase} if phase else {}))


@task
def record_policy(context):
    """Record which AWS calls each role's tasks make, for `doctor --policy`: after a new call, resource or provider."""
    _must([sys.executable, str(ROOT / "tests" / "support" / "record_policy.py"), str(PROJECT)])


@task
def docs(context):
    """Draw the picture of the architecture from docs/architecture.dot (needs Graphviz)."""
    if not shutil.which("dot"):
        raise Exit("Graphviz is not installed: apt install graphviz, or brew install graphviz.", code=1)
    _must(["dot", "-Tsvg", "-o", str(ROOT / "docs" / "architecture.svg"), str(ROOT / "docs" / "architecture.dot")])
