"""The template's own tests: each variant baked once, and the command line of cookiecutter in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, copytree

import click.testing
import cookiecutter.cli
import pytest

from repositories import commit, git
from template_answers import VARIANTS


@dataclass(frozen=True)
class Baked:
    """A variant: its name, the answers that differ from the defaults, the project's folder."""

    name: str
    answers: dict[str, str]
    path: Path

    def files(self) -> dict[str, bytes]:
        return contents(self.path)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: its path inside, and its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    return contents


@pytest.fixture(scope="session", params=VARIANTS, ids=list(VARIANTS))
def variant(request: pytest.FixtureRequest, bake: Callable[..., Path]) -> Baked:
    """One variant after the other. Read only: a test that changes something takes a copy."""
    answers = VARIANTS[request.param]
    return Baked(request.param, answers, bake(**answers))


@pytest.fixture(scope="session")
def default_project(bake: Callable[..., Path]) -> Path:
    return bake()


@dataclass(frozen=True)
class CommandLine:
    """cookiecutter's command line in this process: quick, and with a folder of its own for what it writes."""

    template: Path
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "a" / "b" / "out"

    @property
    def replays(self) -> Path:
        return self.folder / "replays"

    @property
    def places(self) -> list[str]:
        """The options that keep everything in the folder."""
        return ["--config-file", str(self.folder / "config.yaml"), "-o", str(self.output)]

    def run(self, *words: str, typed: str = "") -> click.testing.Result:
        arguments = [str(self.template), *self.places, *words]
        return click.testing.CliRunner().invoke(cookiecutter.cli.main, arguments, input=typed)

    def left_behind(self) -> set[str]:
        """What stands below the folder, and was not there before the command ran."""
        expected = {"config.yaml", "templates", "a", "a/b", "a/b/out"}
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")} - expected


@pytest.fixture
def command_line(template: Path, tmp_path: Path) -> CommandLine:
    ours = CommandLine(template, tmp_path)
    ours.output.mkdir(parents=True)
    folders = f"cookiecutters_dir: '{tmp_path / 'templates'}'\nreplay_dir: '{ours.replays}'\n"
    (tmp_path / "config.yaml").write_text(folders)
    return ours


@pytest.fixture(scope="session")
def source_files(template: Path, project_source: Path, need: Callable[..., str]) -> Callable[[Path], list[str]]:
    """The files of the template below a folder that belong in a commit."""
    git = need("git")

    def listed(folder: Path) -> list[str]:
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        return sorted(name for name in found.split("\0") if name and (folder / name).is_file())

    return listed


@pytest.fixture(scope="session")
def template_repository(
    template: Path, source_files: Callable[[Path], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The template as a git repository of its own, with one commit, for cruft. Copy it to change it."""
    repository = tmp_path_factory.mktemp("repository") / "template"
    for name in source_files(template):
        target = repository / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copyfile(template / name, target)
        target.chmod((template / name).stat().st_mode)
    git(repository, "init", "-q", "-b", "main")
    commit(repository)
    return repository


@pytest.fixture(scope="session")
def terraform(terraform_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`terraform("validate", folder=...)` runs it there, with its working data beside the folder."""

    def run(*words: str, folder: Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"TF_DATA_DIR": str(folder.with_name(f"{folder.name}.data")), **terraform_environment, **more}
        command = ["terraform", *words]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0 or not check, ran.stdout + ran.stderr
        return ran

    return run


@pytest.fixture(scope="session")
def initialised(terraform, default_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the default project with its provider and modules, which serve every variant with vendored modules."""
    copy = tmp_path_factory.mktemp("terraform") / "initialised"
    copytree(default_project, copy)
    terraform("init", "-backend=false", "-input=false", folder=copy)
    return copy
