"""The whole deployment as it really runs, and what a test does to it: ask it for maps, change its secrets, look inside."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from driven_project import CANARY, Answer, Project, Watch
from engine import docker

MASTER, READER = CANARY + "-m", CANARY + "-r"
SERVICE, ADMIN = "datacube-wms-local", "datacube-wms-local-admin"
SIDES = (b"southBoundLatitude", b"westBoundLongitude", b"northBoundLatitude", b"eastBoundLongitude")  # as EPSG:4326 has them
MAP = ("?service=WMS&version=1.3.0&request=GetMap&layers=sample&styles=&crs=EPSG:4326&width=256&height=256&format=image/png"
       "&transparent=true&bbox=")


class Containers(threading.Thread):
    """Looks at every container of an ECS task while it is there: a job's is gone when the job is."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.inspected: dict[str, str] = {}  # id -> what `docker inspect` says
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.5):
            listed = docker("ps", "-aq", "--filter", "label=com.amazonaws.ecs.task-arn", check=False).stdout.split()
            for each in {*listed} - {*self.inspected}:
                done = docker("inspect", each, check=False)
                if done.returncode == 0:
                    self.inspected[each] = done.stdout

    def end(self) -> None:
        self._ended.set()
        self.join()

    @property
    def of_jobs(self) -> list[str]:
        return [text for text in self.inspected.values() if f":task/{SERVICE}/" in text and '"ows_jobs"' in text]


@dataclass
class Running:
    """The deployed project, and what was seen while it was made."""

    project: Project
    pushed: Answer
    deployed: Answer
    watch: Watch
    containers: Containers
    clean: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.project.must("output", "--json").json["outputs"]["wms_endpoint"]

    @property
    def pinned(self) -> str:
        return json.loads((self.project.folder / "workspaces" / "local.images.tfvars.json").read_text())["images"]["ows"]

    def service(self) -> dict:
        ecs = self.project.client("ecs")
        return ecs.describe_services(cluster=SERVICE, services=[f"{SERVICE}-ows"])["services"][0]

    def renew(self) -> None:
        """New tasks of the same revision."""
        self.project.client("ecs").update_service(cluster=SERVICE, service=f"{SERVICE}-ows", forceNewDeployment=True)

    def tasks(self) -> list[str]:
        """ids of the containers of the service's tasks that run."""
        listed = docker("ps", "-q", "--filter", "label=com.amazonaws.ecs.container-name=ows").stdout.split()
        mine = []
        for each in listed:
            arn = docker("inspect", "-f", '{{index .Config.Labels "com.amazonaws.ecs.task-arn"}}', each).stdout.strip()
            if arn in self.project.client("ecs").list_tasks(cluster=SERVICE)["taskArns"]:
                mine.append(each)
        return mine

    def sql(self, statement: str) -> str:
        """As the master, inside the database's container."""
        done = docker("exec", "-e", f"PGPASSWORD={self.secret(ADMIN, 'db_password')}", self.database(), "psql", "-h",
                      "127.0.0.1", "-U", "master", "-d", "datacube", "-Atqc", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self) -> str:
        """id of the container of the database, which runs."""
        named = docker("ps", "-q", "--filter", f"name=ministack-rds-.*{SERVICE}").stdout.split()
        [found] = [each for each in named if self._is_ours(each)]
        return found

    def _is_ours(self, container: str) -> bool:
        port = self.project.client("rds").describe_db_instances()["DBInstances"][0]["Endpoint"]["Port"]
        return f":{port}->" in docker("ps", "--filter", f"id={container}", "--format", "{{.Ports}}").stdout

    def secret(self, service: str, key: str) -> str:
        ssm = self.project.client("ssm")
        return ssm.get_parameter(Name=f"/{service}/{key}", WithDecryption=True)["Parameter"]["Value"]

    def write_secret(self, service: str, key: str, value: str) -> None:
        """As somebody would who knows nothing of the database: the value is only in the store."""
        ssm = self.project.client("ssm")
        ssm.put_parameter(Name=f"/{service}/{key}", Value=value, Type="SecureString", Overwrite=True,
                          KeyId="alias/parameter_store_key", Description="9")

    def get_map(self) -> tuple[int, bytes]:
        """One real map of the sample's middle, asked through the load balancer."""
        bounds = self.bounds()
        return fetch(self.url + MAP + ",".join(map(str, bounds)))

    def bounds(self) -> tuple[float, ...]:
        """South, west, north, east of the sample, in degrees."""
        _, capabilities = fetch(self.url + "?service=WMS&version=1.3.0&request=GetCapabilities")
        layer = capabilities[capabilities.index(b"<Name>sample</Name>"):]
        return tuple(float(re.search(rb"<%s>\s*([-0-9.]+)" % side, layer)[1]) for side in SIDES)

    @contextmanager
    def asked_for_maps(self) -> Iterator[Counter]:
        """Ask for a map twice a second until the block ends; yields how often which answer came."""
        answers: Counter = Counter()
        url = self.url + MAP + ",".join(map(str, self.bounds()))
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.5):
                status, body = fetch(url)
                answers[status, body[:4] == b"\x89PNG"] += 1

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        try:
            yield answers
        finally:
            ended.set()
            asking.join(30)

    def restore(self) -> None:
        """Workspace, secrets and image as they were at first, deployed."""
        for name, text in self.clean.items():
            (self.project.folder / name).write_text(text)
        self.project.must("deploy", "--yes")


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"It did not happen within {seconds} s."
        time.sleep(0.5)
