"""Servers of the embedded AWS for these tests: each on a free port, with a home of its own, ended when the test ends."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from engine import docker
from room import Clients, Room
from tasks.core import embedded_aws, embedded_containers
from tasks.core.embedded_aws import Server
from tasks.core.embedded_containers import Containers

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "ap-southeast-2"


@pytest.fixture(scope="session")
def python() -> Path:
    """MiniStack's own environment, kept between test runs."""
    return embedded_aws.environment(REPOSITORY / "build" / "ministack", print)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that no server is left running on."""
    place = tmp_path / "aws"
    yield place
    embedded_aws.stop(place)


@pytest.fixture(scope="session")
def mended(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with all mends, for tests that do not mind each other."""
    place = tmp_path_factory.mktemp("mended")
    yield embedded_aws.start(place, python)
    embedded_aws.stop(place)


@pytest.fixture(scope="session")
def clients() -> Callable[..., Clients]:
    """What makes boto3 clients of a server's account."""

    @functools.cache
    def session(account: str) -> boto3.Session:  # reads the service's model once: 0.2 s a client otherwise
        return boto3.Session(account, "local", region_name=REGION)

    def of(server: Server, account: str = "000000000000") -> Clients:
        return lambda service: session(account).client(service, endpoint_url=server.endpoint)

    return of


@pytest.fixture(scope="session")
def equipped(python: Path) -> Path:
    """The same environment with what running containers needs."""
    return embedded_aws.environment(REPOSITORY / "build" / "ministack", print, containers=True)


@pytest.fixture(scope="session")
def tiny(docker_engine: None, need: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of two megabytes: a shell, and a web server that answers /ping."""
    root, name = tmp_path_factory.mktemp("tiny"), f"tests-local-tiny:{os.getpid()}"  # another run takes its own away
    for folder in ("bin", "www", "tmp"):
        (root / folder).mkdir()
    shell = need("busybox", "Install a static busybox (on Debian: apt install busybox-static).")
    shutil.copy(shell, root / "bin" / "busybox")
    for program in ("cat", "echo", "env", "false", "httpd", "id", "sh", "sleep", "touch", "wget"):
        (root / "bin" / program).symlink_to("busybox")
    (root / "www" / "ping").write_text("pong")
    archive = root.with_suffix(".tar")
    subprocess.run(["tar", "--create", "--file", archive, "--directory", root, "."], check=True)
    server = 'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]'
    docker("import", "--change", server, str(archive), name)
    yield name
    docker("rmi", "--force", name, check=False)


@pytest.fixture
def room(home: Path, equipped: Path, containers: Containers, clients: Callable[..., Clients], tiny: str) -> Iterator[Room]:
    """A server of the test's own whose containers run; started by `room.start()`, and nothing of it is left."""
    yield Room(home, equipped, containers, clients, tiny)
    embedded_aws.stop(home)
    embedded_containers.clear(home, lambda: equipped, volumes=True, say=print)


@pytest.fixture(scope="session")
def shared_room(tmp_path_factory: pytest.TempPathFactory, equipped: Path, containers: Containers,
                clients: Callable[..., Clients], tiny: str) -> Iterator[Room]:
    """One server whose containers run, with all mends, for tests that do not mind each other."""
    home = tmp_path_factory.mktemp("containers")
    yield Room(home, equipped, containers, clients, tiny).start()
    embedded_aws.stop(home)
    embedded_containers.clear(home, lambda: equipped, volumes=True, say=print)
