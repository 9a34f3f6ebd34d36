"""Servers of the embedded AWS for these tests: each on a free port, with a home of its own, ended when the test ends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from tasks.core import embedded_aws
from tasks.core.embedded_aws import Server

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "ap-southeast-2"
Clients = Callable[..., object]


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
