"""An applied stack, made once, and copies of it: each test has its own project and its own embedded account.

Applying costs about two minutes of waits that the provider imposes; a copy costs less than a second.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from driven_project import CANARY, Answer, Project, Watch, port_that_nobody_is_given, serve_at, share
from tasks.core import embedded_aws

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory, bake, environment) -> Iterator[Callable[..., Project]]:
    """`new_project(project_slug="x")` makes a project that has nothing deployed yet."""
    made: list[Project] = []
    embedded = ROOT / "build" / "ministack"
    embedded_aws.environment(embedded, print)

    def make(**answers: str) -> Project:
        folder = tmp_path_factory.mktemp("projects") / "project"
        shutil.copytree(bake(**answers), folder)
        share(embedded, folder)
        project = Project(folder, dict(environment))
        made.append(project)
        return project

    yield make
    for project in made:
        project.end()


@dataclass
class Golden:
    """The stack that all tests copy, and what was seen while it was made."""

    project: Project
    port: int
    deployed: Answer
    watch: Watch

    def copy(self, folder: Path) -> Project:
        """The stack in another folder, its server started. One at a time: the endpoint stands in what is deployed."""
        shutil.copytree(self.project.folder, folder, symlinks=True)
        serve_at(folder, self.port)
        project = Project(folder, dict(self.project.environment))
        try:
            project.must("local.up")
            assert project.endpoint.endswith(f":{self.port}"), "Something else listens on the port of the copied stack."
        except BaseException:
            project.end()  # or every later copy would find the port taken
            raise
        return project


@pytest.fixture(scope="session")
def golden(new_project) -> Golden:
    project, port = new_project(), port_that_nobody_is_given()
    serve_at(project.folder, port)
    project.must("local.up")
    project.must("bootstrap")
    project.client("ssm").put_parameter(Name="/datacube-wms-local-admin/db_password", Value=CANARY, Type="SecureString",
                                        KeyId="alias/parameter_store_key", Description="1")
    watch = Watch(CANARY)
    watch.start()
    deployed = project.must("deploy", "--yes")
    watch.end()
    project.must("local.down")
    return Golden(project, port, deployed, watch)


@pytest.fixture
def stack(golden, tmp_path) -> Iterator[Project]:
    """A copy of the applied stack with a server of its own."""
    project = golden.copy(tmp_path / "project")
    yield project
    project.end()
