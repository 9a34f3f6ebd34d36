"""Fixtures for tests with containers. Without an engine they skip, and say how to get one; in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import real_chamber
import stand_ins as recipes
from engine import Missing, running_engine
from real_registry import Registry
from tasks.core import embedded_containers
from tasks.core.embedded_containers import Containers


def _without(missing: Missing) -> None:
    if os.environ.get("CI"):
        pytest.fail(str(missing))
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[None]:
    """A Docker engine answers."""
    try:
        with running_engine():
            yield
    except Missing as missing:
        _without(missing)


@pytest.fixture(scope="session")
def containers(docker_engine: None) -> Containers:
    """The engine whose containers and this machine reach each other."""
    found = embedded_containers.probe()
    if not found.run:
        _without(Missing(f"Containers cannot run here: {found.reason}."))
    return found


@pytest.fixture(scope="session")
def stand_ins(docker_engine: None) -> dict[str, str]:
    """The public base images are in the engine, real or built here: image -> which of the two."""
    try:
        return recipes.prepare()
    except Missing as missing:
        _without(missing)
        raise


@pytest.fixture(scope="session")
def chamber_binary(need: Callable[..., str]) -> str:
    """The path of the real chamber."""
    return real_chamber.binary(need)


@pytest.fixture(scope="session")
def registry_tools(need: Callable[..., str]) -> None:
    """What a registry is made of."""
    need("docker-registry", "Install it: apt install docker-registry")
    need("htpasswd", "Install it: apt install apache2-utils")


@pytest.fixture
def image_registry(registry_tools: None, tmp_path: Path) -> Iterator[Registry]:
    """A registry of this test's own that wants a login; it keeps address and images over `kill` and `start`."""
    registry = Registry(tmp_path / "registry").start()
    yield registry
    registry.kill()
