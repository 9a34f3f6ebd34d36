"""The containers of an embedded AWS over its life: all of them go with it and come back, and only its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import docker
from room import Room, until
from tasks.core import embedded_aws, embedded_containers

PROBE = embedded_containers.LOCAL / "probe.py"


@pytest.fixture
def root(tmp_path: Path, room: Room) -> Iterator[Path]:
    """A project whose home is the room's."""
    made = tmp_path / ".local" / "ministack"
    made.parent.mkdir()
    made.symlink_to(room.python.parents[1])
    room.home = embedded_aws.home_of(tmp_path)
    yield tmp_path
    embedded_aws.stop(room.home)
    embedded_containers.clear(room.home, lambda: room.python, volumes=True, say=print)


@pytest.fixture
def neighbour(tmp_path: Path, room: Room) -> Iterator[Room]:
    """Another project's server on this machine."""
    other = Room(tmp_path / "neighbour", room.python, room.containers, room.clients, room.image)
    yield other
    embedded_aws.stop(other.home)
    embedded_containers.clear(other.home, lambda: other.python, volumes=True, say=print)


def _up(root: Path, room: Room, **more: str) -> list[str]:
    said: list[str] = []
    room.server = embedded_aws.up(root, said.append, **more)
    return said


def test_down_leaves_no_container_and_up_brings_the_service_back_and_reset_leaves_nothing(root, room):
    _up(root, room)
    assert room.server.containers and room.server.reason is None
    service = room.serve(count=2)
    service.settle()
    room.run("echo x > /kept/x", volumes=({"name": "kept"},),
             mountPoints=[{"sourceVolume": "kept", "containerPath": "/kept"}])
    assert embedded_aws.status(root).count == 2 and len(room.volumes()) == 1
    before = room.server.endpoint
    embedded_aws.down(root, print)
    assert room.ids() == [] and len(room.volumes()) == 1
    _up(root, room)
    assert room.server.endpoint == before
    assert until(lambda: service.targets, lambda found: found == ["healthy"] * 2, 60) == ["healthy"] * 2
    label = room.label
    embedded_aws.reset(root, print)
    assert docker("ps", "--all", "--quiet", "--filter", label).stdout == ""
    assert docker("volume", "ls", "--quiet", "--filter", label).stdout == ""


def test_what_a_killed_server_left_goes_at_the_next_start_or_stop(root, room):
    _up(root, room)
    service = room.serve()
    service.settle()
    embedded_aws._ask(room.server.endpoint, "/_local/save", "POST")
    left = room.ids()
    room.kill()
    assert room.ids() == left
    _up(root, room)
    assert until(lambda: service.targets, lambda found: found == ["healthy"], 60) == ["healthy"]
    assert len(room.ids()) == 1 and room.ids() != left
    room.kill()
    embedded_aws.down(root, print)
    assert room.ids() == []


def test_a_container_that_somebody_removes_is_replaced(room):
    room.start()
    service = room.serve()
    service.settle()
    docker("rm", "--force", *room.ids())
    until(lambda: service.targets, lambda found: found == [], 5)
    assert until(lambda: service.targets, lambda found: found == ["healthy"], 60) == ["healthy"]


def test_two_projects_never_touch_each_others_containers(room, neighbour):
    room.start()
    room.running(room.begin("sleep 60"))
    theirs = room.ids()
    neighbour.start()
    neighbour.running(neighbour.begin("sleep 60", stopTimeout=1))
    neighbour.kill()
    neighbour.start()
    neighbour.stop()
    embedded_containers.clear(neighbour.home, lambda: neighbour.python, volumes=True, say=print)
    assert neighbour.ids() == [] and room.ids() == theirs


def test_a_server_that_is_ended_while_it_starts_leaves_nothing(root, room):
    _up(root, room)
    room.serve(count=2).settle()
    embedded_aws.stop(room.home)
    for pause in (0.1, 0.4, 0.8, 2.2):
        process = embedded_aws._spawn(room.home, room.python, 0, room.containers.options)
        time.sleep(pause)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert room.ids() == []


def test_no_containers_means_none_also_for_a_server_that_has_some(root, room):
    _up(root, room)
    room.running(room.begin("sleep 60", stopTimeout=1))
    said = _up(root, room, no_containers="--no-containers was given")
    assert not room.server.containers and room.ids() == []
    assert said[-1] == "Containers are recorded and do not run: --no-containers was given."
    assert embedded_aws.status(root).reason == "--no-containers was given"


def test_it_listens_on_loopback_and_on_the_bridge_alone(room):
    room.start()
    sockets = {os.readlink(link) for link in Path(f"/proc/{room.server.pid}/fd").iterdir() if link.is_symlink()}
    listening = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{room.server.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets and (fields[3] == "0A" or table.startswith("udp")):
                listening.add(fields[1])
    addresses = ["127.0.0.1", room.containers.bridge]
    wanted = {"".join(f"{int(part):02X}" for part in reversed(each.split("."))) for each in addresses}
    assert listening == {f"{each}:{room.server.port:04X}" for each in wanted}


def _asked(**environment: str) -> dict:
    done = subprocess.run([sys.executable, "-B", str(PROBE)], capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"], **environment})
    return json.loads(done.stdout)


@pytest.mark.parametrize("named, reason", [
    ("tcp://192.0.2.1:2375", "DOCKER_HOST names an engine on another machine (tcp)"),
    ("unix:///nobody/docker.sock", "there is no Docker engine here"),
])
def test_a_machine_without_an_engine_of_its_own_is_said(named, reason):
    assert _asked(DOCKER_HOST=named) == {"socket": None, "bridge": None, "reason": reason}


def test_a_machine_with_an_engine_can(containers):
    assert _asked() == {"socket": containers.socket, "bridge": containers.bridge, "reason": None}
