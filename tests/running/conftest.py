"""The whole deployment, really running: pushed to a registry with a login, its tasks and its database in containers.

It is made once (about four minutes); each test leaves it as it found it, or calls `running.restore()` at its end.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from driven_project import CANARY, Project, Watch, share
from real_registry import Registry
from running_project import ADMIN, MASTER, READER, SERVICE, Containers, Running
from tasks.core import embedded_aws

ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "HOME", "LANG", "TF_CLI_CONFIG_FILE", "PYTHONDONTWRITEBYTECODE")
CHAMBER_VERSION = "2.14.1"  # the stand-in's


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.running)


@pytest.fixture(scope="session")
def registry(need, tmp_path_factory) -> Iterator[Registry]:
    """A registry that wants a login, for all these tests."""
    need("docker-registry", "Install it: apt install docker-registry")
    need("htpasswd", "Install it: apt install apache2-utils")
    made = Registry(tmp_path_factory.mktemp("registry") / "registry").start()
    yield made
    made.kill()


@pytest.fixture(scope="session")
def running(tmp_path_factory, bake, terraform_environment, stand_ins, registry) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running") / "project"
    shutil.copytree(bake(image_repository=f"{registry.address}/maps/datacube-wms"), folder)
    share(ROOT / "build" / "ministack", folder)
    embedded_aws.environment(ROOT / "build" / "ministack", print)
    identity = folder / "invoke.yaml"
    identity.write_text(re.sub(r'chamber_version: "[^"]+"', f'chamber_version: "{CHAMBER_VERSION}"', identity.read_text()))
    workspace = folder / "workspaces" / "local.tfvars"
    workspace.write_text(workspace.read_text().replace("health_check_grace_period = 60", "health_check_grace_period = 45"))
    environment = {name: value for name, value in terraform_environment.items()
                   if name in PASSED_ON or name.startswith(("PIP_", "SSL_"))}
    project = Project(folder, {**environment, "DOCKER_CONFIG": str(registry.docker_configuration())})
    watch, containers = Watch(CANARY), Containers()
    try:
        project.must("local.up")
        project.must("bootstrap")
        ssm = project.client("ssm")
        for service, value in {ADMIN: MASTER, SERVICE: READER}.items():
            ssm.put_parameter(Name=f"/{service}/db_password", Value=value, Type="SecureString", Description="1",
                              KeyId="alias/parameter_store_key")
        watch.start()
        project.must("docker.build")
        pushed = project.must("docker.push", "--json")
        containers.start()
        deployed = project.must("deploy", "--yes")
        watch.end()
        containers.end()
        files = [folder / "workspaces" / "local.tfvars", folder / "workspaces" / "local.images.tfvars.json"]
        clean = {str(file.relative_to(folder)): file.read_text() for file in files}
        yield Running(project, pushed, deployed, watch, containers, clean)
    finally:
        project.invoke("local.reset", "--confirm", "local")
        project.end()
