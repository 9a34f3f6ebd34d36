"""What of the Docker engine belongs to this home: its containers and volumes, known by a label, and the end of them.

The label's value is the home's own, so that two projects' servers on one machine never touch each other's containers.
"""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABEL = "ministack.instance"  # MiniStack's own label, which it gives to all that it starts
PULL_PATIENCE = 600  # seconds without a byte after which a pull has failed
STOP_PATIENCE = {"rds": 20}  # seconds until a container is killed; a database writes its pages
QUICK_STOP = 3  # seconds for the others: who stops the server has no requests any more


@dataclass(frozen=True)
class Engine:
    """The engine, and who asks.

    socket    as DOCKER_HOST wants it
    bridge    this machine's address for the containers
    port      the server's
    instance  the label's value: this home's
    """

    socket: str
    bridge: str
    port: int
    instance: str

    @property
    def endpoint(self) -> str:
        """The embedded AWS, as a container reaches it."""
        return f"http://{self.bridge}:{self.port}"

    @property
    def owner(self) -> dict[str, str]:
        return {LABEL: self.instance}


here: Engine | None = None  # None: what would run is recorded
ready = threading.Event()  # the account is back and the server listens: services may start their tasks
closing = threading.Event()  # the server ends: nothing is started any more, and nothing that stops is a failure


@functools.cache
def client(timeout: float = 30) -> Any:
    """docker-py on the engine."""
    import docker

    return docker.DockerClient(base_url=here.socket, timeout=timeout)


def instance_of(home: Path) -> str:
    """The home's label: made once and kept, so that a folder that was moved finds its volumes. A copy gets its own."""
    file = home / "instance.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file.read_text())
        before = Path(kept["home"])
        if before == home or not (before / file.name).exists():
            return _kept(file, kept["instance"])
    return _kept(file, secrets.token_hex(6))


def _kept(file: Path, instance: str) -> str:
    file.touch(mode=0o600)
    file.write_text(json.dumps({"home": str(file.parent), "instance": instance}))
    return instance


def containers(**labels: str) -> list[Any]:
    """This home's containers, running or not, that carry all these labels."""
    wanted = [f"{name}={value}" for name, value in {**here.owner, **labels}.items()]
    return client().containers.list(all=True, sparse=True, ignore_removed=True, filters={"label": wanted})


def running() -> int:
    """How many of this home's containers run."""
    return len(client().containers.list(sparse=True, filters={"label": f"{LABEL}={here.instance}"}))


def volume(name: str) -> tuple[str, bool]:
    """A volume of this home: its whole name, and whether it is new."""
    from docker.errors import NotFound

    whole = f"local-{here.instance}-{name}"
    try:
        client().volumes.get(whole)
        return whole, False
    except NotFound:
        client().volumes.create(whole, labels=here.owner)
        return whole, True


def sweep() -> int:
    """Stop and remove all containers of this home. More than once, for one may just be starting. Returns how many went."""
    gone = 0
    with ThreadPoolExecutor(8) as together:
        for _ in range(5):
            found = containers()
            if not found:
                break
            gone += sum(together.map(_remove, found))
    return gone


def clear() -> None:
    """Remove all that this home has in the engine: containers, and the volumes with their data."""
    sweep()
    for each in client().volumes.list(filters={"label": f"{LABEL}={here.instance}"}):
        each.remove(force=True)


def _remove(container: Any) -> int:
    from docker.errors import APIError, NotFound

    with contextlib.suppress(NotFound, APIError):  # APIError: somebody else removes it just now
        container.stop(timeout=STOP_PATIENCE.get(container.attrs["Labels"].get("ministack"), QUICK_STOP))
        container.remove(v=True, force=True)
        return 1
    return 0
