"""Can containers really run for the embedded AWS? Asked of the Docker engine and of this machine, changing neither.

Run as a program it prints one JSON object: `socket` and `bridge` when they can, `reason` (a sentence) when not. It needs
Python alone, because it is asked before anything is installed.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

SOCKETS = ("/var/run/docker.sock", "~/.docker/run/docker.sock")
PATIENCE = 5  # seconds for an answer of the engine
IN_A_CONTAINER = "so the server would have to run in a container itself, which is not done here"


class Cannot(Exception):
    """Containers cannot run; the message is a sentence for the user."""


@dataclass(frozen=True)
class Found:
    """What was found.

    socket  the engine's, as DOCKER_HOST wants it; None when containers cannot run
    bridge  this machine's address on the network of the containers, by which they reach the server
    reason  why containers cannot run; None when they can
    """

    socket: str | None = None
    bridge: str | None = None
    reason: str | None = None


def find() -> Found:
    """Look for an engine whose containers and this machine reach each other."""
    try:
        place = _socket()
        engine = _Engine(place)
        _require_same_machine(engine.ask("/info"))
        bridge = _bridge(engine.ask("/networks/bridge"))
        _require_bindable(bridge)
        return Found(socket=f"unix://{place}", bridge=bridge)
    except Cannot as sentence:
        return Found(reason=str(sentence))


class _Engine:
    """The engine's API, of which only two questions are asked."""

    def __init__(self, place: str):
        self.place = place

    def ask(self, path: str) -> dict[str, Any]:
        """The answer to a GET. Raises Cannot."""
        connection = http.client.HTTPConnection("docker", timeout=PATIENCE)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(self.place)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except PermissionError:
            raise Cannot(f"this user may not use the Docker engine at {self.place} (group docker)") from None
        except (OSError, http.client.HTTPException):
            raise Cannot(f"no Docker engine answers at {self.place}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise Cannot(f"the Docker engine at {self.place} answers {path} with {answer.status}")
        return json.loads(body)


def _socket() -> str:
    """The engine's socket: DOCKER_HOST's, or the first of the usual places. Raises Cannot."""
    named = os.environ.get("DOCKER_HOST", "")
    if named and not named.startswith("unix://"):
        raise Cannot(f"DOCKER_HOST names an engine on another machine ({named.split('://')[0]})")
    places = [named.removeprefix("unix://")] if named else [str(Path(each).expanduser()) for each in SOCKETS]
    for place in places:
        if Path(place).exists():
            return place
    raise Cannot("there is no Docker engine here")


def _require_same_machine(said: dict[str, Any]) -> None:
    """Raise Cannot when the containers live behind a machine or a network of their own."""
    system = said.get("OperatingSystem", "")
    if "Docker Desktop" in system:
        raise Cannot(f"Docker Desktop runs containers in a machine of its own, {IN_A_CONTAINER}")
    if any("rootless" in option for option in said.get("SecurityOptions") or ()):
        raise Cannot(f"the Docker engine is rootless and its network is its own, {IN_A_CONTAINER}")
    if said.get("KernelVersion") != os.uname().release:
        raise Cannot(f"the Docker engine runs in another machine ({system}), {IN_A_CONTAINER}")


def _bridge(said: dict[str, Any]) -> str:
    """This machine's address on the engine's default bridge, over which a container is reached. Raises Cannot.

    Asked of this machine, not of the engine: a datagram's socket knows the way to a container's address, and sends nothing.
    """
    configured = (said.get("IPAM") or {}).get("Config") or ()
    networks = [ip_network(each["Subnet"]) for each in configured if "." in each.get("Subnet", "")]
    if not networks:
        raise Cannot("the Docker engine has no default bridge")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        try:
            sender.connect((str(networks[0][-2]), 9))
            address = sender.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if ip_address(address) not in networks[0]:
        raise Cannot(f"the containers' network {networks[0]} is not one of this machine's, {IN_A_CONTAINER}")
    return address


def _require_bindable(bridge: str) -> None:
    """Raise Cannot unless a server can listen there for the containers."""
    with socket.socket() as listener:
        try:
            listener.bind((bridge, 0))
        except OSError as error:
            raise Cannot(f"nothing can listen at {bridge}, where containers look for the server: {error.strerror}") from None


if __name__ == "__main__":
    json.dump(asdict(find()), sys.stdout)
