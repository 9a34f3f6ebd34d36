"""One image, one database and one account for all tests of the image."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError

import real_image as real
from real_image import IMAGE, JOBS, LABEL, Account, Container, Database, Runner, built, docker
from tasks.core import embedded_aws

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(IMAGE))  # ows_jobs, where it lies


@pytest.fixture(scope="session")
def network(stand_ins: dict[str, str]) -> Iterator[str]:
    """A network of the containers' own."""
    docker("network", "create", LABEL)
    yield LABEL
    for container in docker("ps", "-aq", "--filter", f"label={LABEL}").stdout.split():
        docker("rm", "-fv", container, check=False)
    docker("network", "rm", LABEL, check=False)


@pytest.fixture(scope="session")
def image(stand_ins: dict[str, str]) -> Iterator[str]:
    """The project's image."""
    arguments = ("--build-arg", "SOURCE_COMMIT=0123abc", "--build-arg", "TEMPLATE_VERSION=9.8.7")
    yield built(IMAGE, "-t", f"{LABEL}:latest", *arguments)
    docker("rmi", "-f", f"{LABEL}:latest", check=False)


@pytest.fixture(scope="session")
def account(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A server of records, on this machine's address in the network: tests and containers both reach it there."""
    address = docker("network", "inspect", network, "-f", "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
    try:
        with socket.socket() as free:
            free.bind((address, 0))
            port = free.getsockname()[1]
    except OSError as error:
        pytest.skip(f"The network's address {address} cannot be bound here ({error}).")
    python = embedded_aws.environment(REPOSITORY / "build" / "ministack", print)
    home = tmp_path_factory.mktemp("aws")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "BIND_HOST": address, "GATEWAY_PORT": str(port),
                   "DOCKER_HOST": "unix:///nonexistent", "IOT_MTLS_ENABLED": "0"}
    with (home / "log").open("wb") as log, subprocess.Popen([str(python), "-B", "-m", "ministack"], env=environment,
                                                            cwd=home, stdout=log, stderr=log) as server:
        try:
            made = Account(f"http://{address}:{port}")
            _wait_until_it_answers(made, server)
            yield made
        finally:
            server.terminate()


def _wait_until_it_answers(account: Account, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(BotoCoreError):
            account.client("ssm").describe_parameters()
            return
        time.sleep(0.1)
    pytest.fail("MiniStack does not answer.")


@pytest.fixture(scope="session")
def database(account: Account) -> Database:
    """One server for all tests, with the database `odc`."""
    superuser, password = secrets.token_urlsafe(12), f"m@ster/%1-{secrets.token_hex(8)}"
    started = docker("run", "-d", "--label", LABEL, "--network", LABEL, "--tmpfs", "/var/lib/postgresql/data", "-e",
                     f"POSTGRES_PASSWORD={superuser}", real.POSTGIS, "-c", "fsync=off")
    server = Database(Container(started.stdout.strip()), password)
    deadline = time.monotonic() + 60
    while docker("exec", server.container.id, "pg_isready", "-h", "127.0.0.1", check=False).returncode:
        assert time.monotonic() < deadline, server.container.log
        time.sleep(0.2)
    server.sql(f"create role {real.MASTER} login createrole createdb password '{password}'", "postgres")
    real.prepare(server, account, "odc")
    return server


@pytest.fixture(scope="session")
def run(image: str, account: Account, database: Database) -> Runner:
    """The image beside the database."""
    return Runner(image, account)


@pytest.fixture(scope="session")
def first_results(run: Runner) -> dict[str, dict]:
    """What the jobs of a first deployment said, in their order."""
    return {job: run.job(job) for job in JOBS}


@pytest.fixture(scope="session")
def server(run: Runner, first_results: dict[str, dict]) -> Container:
    """A server that has everything to serve."""
    container = run.serve()
    container.wait_for("/ping")
    return container


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The image's folder, to change something in it."""
    shutil.copytree(IMAGE, tmp_path / "image")
    return tmp_path / "image"
