"""The making of MiniStack's environment, with a stand-in for pip that counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import embedded_environment
from tasks.core.console import Failed


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made()` asks for the environment and answers how many commands its making took."""
    commands = []

    def run(command, purpose):
        commands.append(purpose)
        if command[1:3] == ["-m", "venv"]:
            (Path(command[3]) / "bin").mkdir(parents=True)
            (Path(command[3]) / "bin" / "python").touch()

    def count(containers: bool = False) -> int:
        before = len(commands)
        assert embedded_environment.environment(tmp_path / "ministack", lambda text: None, containers).exists()
        return len(commands) - before

    monkeypatch.setattr(embedded_environment, "_run", run)
    monkeypatch.setattr(embedded_environment, "_works", lambda python: python.exists())
    return count


def test_it_is_made_once(made):
    assert (made(), made()) == (2, 0)


def test_it_is_made_again_when_it_is_half_made(made, tmp_path):
    (tmp_path / "ministack" / "bin").mkdir(parents=True)
    (tmp_path / "ministack" / "bin" / "python").touch()
    assert made() == 2


def test_it_is_made_again_when_its_python_is_gone(made, tmp_path):
    made()
    (tmp_path / "ministack" / "bin" / "python").unlink()
    assert made() == 2


def test_it_is_made_again_when_the_requirements_change(made, tmp_path, monkeypatch):
    made()
    changed = tmp_path / "requirements.txt"
    changed.write_text("ministack==9.9.9\n")
    monkeypatch.setattr(embedded_environment, "REQUIREMENTS", changed)
    assert (made(), made()) == (2, 0)


def test_one_that_cannot_be_made_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Failed, match="Could not make a virtual environment"):
        embedded_environment.environment(tmp_path / "ministack", lambda text: None)


def test_the_real_one_works_and_a_python_without_the_packages_does_not(python, tmp_path):
    assert embedded_environment._works(python)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "empty")], check=True)
    assert not embedded_environment._works(tmp_path / "empty" / "bin" / "python")
    assert not embedded_environment._works(tmp_path / "nothing")


def test_what_containers_need_is_added_once_and_to_an_environment_without_it(made):
    assert (made(), made(containers=True), made(containers=True), made()) == (2, 1, 0, 0)


def test_every_package_in_it_is_pinned():
    for requirements in (embedded_environment.REQUIREMENTS, embedded_environment.FOR_CONTAINERS):
        assert all("==" in line for line in requirements.read_text().splitlines() if line[0] != "#")


def test_what_pip_installed_is_what_is_pinned(equipped):
    listed = subprocess.run([str(equipped), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
                            capture_output=True, text=True, check=True).stdout
    installed = {line.lower().replace("_", "-") for line in listed.splitlines()}
    pinned = {line.partition(";")[0].strip().lower().replace("_", "-")
              for requirements in (embedded_environment.REQUIREMENTS, embedded_environment.FOR_CONTAINERS)
              for line in requirements.read_text().splitlines() if "==" in line}
    assert {each for each in installed if not each.startswith(("pip==", "setuptools=="))} <= pinned
