"""The Docker engine, and only it."""

from __future__ import annotations

from .console import Failed


def engine_version() -> str:
    """The engine's version. Raises Failed when no engine answers."""
    import docker

    try:
        client = docker.from_env(timeout=10)
        try:
            return client.version()["Version"]
        finally:
            client.close()
    except docker.errors.DockerException:
        raise Failed("no Docker engine answers: an image can be pinned here, not built",
                     run="https://docs.docker.com/engine/install/") from None
