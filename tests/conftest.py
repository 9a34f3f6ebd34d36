"""What all tests share: where things lie, a baked project, Terraform without a registry, and when to skip."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Code is tested where it lies, in the folder that cookiecutter copies: no bytecode may stay there.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

# A shell ignores SIGINT for what it starts in the background, and whatever is started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
PROVIDER = Path("registry.terraform.io/hashicorp/aws")

# What of this shell reaches a project that is driven as a user drives it.
PASSED_ON = ("PATH", "HOME", "LANG", "TF_CLI_CONFIG_FILE", "PYTHONDONTWRITEBYTECODE")

LONGEST_FIRST = ("running", "tasks", "faults", "stack")

pytest_plugins = ["browser_fixtures", "engine_fixtures"]

HOW_TO_INSTALL = {
    "terraform": "Install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install",
    "git": "Install git with your system's package manager.",
}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # pytest-cookies takes the folder where pytest was started for the template.
    config.option.template = str(ROOT)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Where several processes run the tests, a folder's stay together: they share servers and images.

    Those of `stack` are shared out file by file: nearly all of their time is waiting, and a stack of its own costs each
    process only more of that.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, name = nodeid.split("::")[0].split("/")[1:3]
            return f"{folder}/{name}" if folder == "stack" else folder

    return ByFolder(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes begin with what lasts longest."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.nodeid.split("/")[1]))


def _rank(folder: str) -> int:
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="session")
def template() -> Path:
    """The template's folder."""
    return ROOT


@pytest.fixture(scope="session")
def project_source() -> Path:
    """The project's folder, as it lies in the template."""
    return PROJECT


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """`need("terraform")` gives the tool's path; without the tool it skips, or fails where CI is set.

    Tools that requirements.txt installs lie beside Python, whether or not its environment is activated.
    """

    def find(tool: str, how_to_install: str = "") -> str:
        path = shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))
        if path:
            return path
        sentence = f"{tool} is missing. {how_to_install or HOW_TO_INSTALL[tool]}"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)

    return find


@pytest.fixture(scope="session")
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of cookiecutter's in a folder of its own, with a `replays` folder beside it."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    file = folder / "config.yaml"
    file.write_text(f"cookiecutters_dir: '{folder / 'templates'}'\nreplay_dir: '{folder / 'replays'}'\n")
    return file


@pytest.fixture(scope="session")
def bake(cookies_session) -> Callable[..., Path]:
    """`bake(storage="s3")` makes a project from the default answers and those given, and returns its folder."""

    def project(**answers: str) -> Path:
        result = cookies_session.bake(extra_context=answers)
        if result.exception:
            raise result.exception
        return result.project_path

    return project


@pytest.fixture(scope="session")
def terraform_environment(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> dict[str, str]:
    """The environment to run Terraform in: no credentials, and a local copy of the provider when there is one."""
    need("terraform")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    mirror = os.environ.get("TF_PROVIDER_MIRROR") or _search(Path("/"), levels=4)
    if mirror:
        file = tmp_path_factory.mktemp("terraform") / "terraformrc"
        file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
        environment["TF_CLI_CONFIG_FILE"] = str(file)
    return environment


@pytest.fixture(scope="session")
def environment(terraform_environment) -> dict[str, str]:
    """The environment of a user's shell: nothing of AWS or Terraform in it, but for the provider's mirror.

    Containers are recorded and do not run, on whatever machine this is: tests/running is for those that do.
    """
    kept = {name: value for name, value in terraform_environment.items()
            if name in PASSED_ON or name.startswith(("PIP_", "SSL_"))}
    return {**kept, "LOCAL_CONTAINERS": "0"}


def _search(folder: Path, levels: int) -> Path | None:
    """The nearest folder below `folder` that holds the AWS provider in the layout of a mirror."""
    if (folder / PROVIDER).is_dir():
        return folder
    if levels == 0 or folder in (Path("/proc"), Path("/sys"), Path("/dev")):
        return None
    try:
        below = sorted(Path(entry) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return None
    return next((found for inner in below if (found := _search(inner, levels - 1))), None)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_written_in_the_project() -> Iterator[None]:
    """Whatever tests leave in the project's folder would be in every project made from it."""
    before = _ignored_files()
    yield
    left = _ignored_files() - before
    assert not left, f"The tests wrote into the project's folder: {sorted(left)}"


def _ignored_files() -> set[str]:
    """What git ignores there: bytecode, caches, plans, Terraform's data. New source is somebody's work."""
    if not shutil.which("git"):
        return set()
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", PROJECT.name],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return set(listed.stdout.splitlines())
