"""The project's image, run by a real engine beside a real PostGIS and an account that chamber reads its secrets from.

Containers meet on a network of their own, by address: nothing is published, so nothing collides.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3

import stand_ins
from engine import docker
from tasks.core import pictures

IMAGE = Path(__file__).resolve().parents[2] / "{{cookiecutter.project_slug}}" / "image"
OWS, CHAMBER, POSTGIS = stand_ins.OWS.image, stand_ins.CHAMBER.image, stand_ins.POSTGIS.image
LABEL = f"datacube-wms-image-test-{os.getpid()}"
JOBS = ("init-db", "schema", "products", "index", "ranges")
REGION = "ap-southeast-2"
MASTER = "master"
BOX = "460000,6164400,485600,6190000"  # the sample scenes, in their own CRS
MAP = (f"/?service=WMS&version=1.3.0&request=GetMap&layers=sample&styles=&crs=EPSG:32756&bbox={BOX}"
       "&width=256&height=256&format=image/png&transparent=true&time=2024-01-15")


def built(folder: Path, *options: str) -> str:
    """The id of the image that a folder builds to. Beside its base images a build needs nothing of the network."""
    arguments = ("--network", "none", "--label", LABEL, "--build-arg", f"CHAMBER_VERSION={stand_ins.CHAMBER.version}")
    return docker("build", "-q", *arguments, *options, str(folder)).stdout.strip()


def opaque(png: bytes) -> float:
    """The share of a map's pixels that are opaque."""
    picture = pictures.look(png, (256, 256))
    return picture.opaque / picture.total


@dataclass
class Container:
    """A container that runs in the background."""

    id: str

    @property
    def address(self) -> str:
        return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.id).stdout.strip()

    @property
    def log(self) -> str:
        written = docker("logs", self.id)
        return written.stdout + written.stderr

    @property
    def exit_code(self) -> int:
        return int(docker("inspect", "-f", "{{.State.ExitCode}}", self.id).stdout)

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of what the server in it answers; 0 while it does not."""
        try:
            with urlopen(f"http://{self.address}:8000{path}", timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except URLError as error:
            return getattr(error, "code", 0), {}, b""
        except OSError:
            return 0, {}, b""

    def wait_for(self, path: str, limit: float = 120) -> float:
        """Seconds until the path answers 200."""
        began = time.monotonic()
        while self.get(path)[0] != 200:
            assert time.monotonic() - began < limit, f"{path} does not answer 200:\n{self.log[-4000:]}"
            time.sleep(0.05)
        return time.monotonic() - began


@dataclass
class Account:
    """The embedded AWS, as containers and tests reach it, and the secrets that were ever written to it."""

    endpoint: str
    secrets: set[str] = field(default_factory=set)

    def client(self, service: str):
        session = boto3.Session("000000000000", "local", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint)

    def bucket(self, name: str, files: dict[str, bytes]) -> None:
        """A bucket that holds these keys."""
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, content in files.items():
            self.client("s3").put_object(Bucket=name, Key=key, Body=content)

    def write(self, service: str, **values: str) -> None:
        """What `chamber write` would."""
        for key, value in values.items():
            self.client("ssm").put_parameter(Name=f"/{service}/{key}", Value=value, Type="SecureString", Overwrite=True,
                                             Description="1")
        self.secrets |= {value for key, value in values.items() if key.endswith("password")}

    @property
    def environment(self) -> dict[str, str]:
        """What the embedded AWS gives a task; on AWS it is the task role's."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "CHAMBER_AWS_SSM_ENDPOINT": self.endpoint,
                "AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


@dataclass(frozen=True)
class Database:
    """PostGIS with a master user that is no superuser, as RDS has it."""

    container: Container
    password: str

    def sql(self, statements: str, database: str = "odc") -> str:
        """What a superuser gets for it."""
        return docker("exec", "-i", "-u", "postgres", self.container.id, "psql", "-qAtX", "-v", "ON_ERROR_STOP=1",
                      "-U", "postgres", "-d", database, input=statements).stdout.strip()


def prepare(server: Database, account: Account, name: str) -> None:
    """An empty database with PostGIS, as RDS gives it, and the chamber services ``NAME-admin`` and ``NAME-serving``."""
    server.sql(f"create database {name} owner {MASTER}", "postgres")
    server.sql("create extension postgis", name)
    where = {"db_hostname": server.container.address, "db_database": name}
    account.write(f"{name}-admin", db_username=MASTER, db_password=server.password, **where)
    account.write(f"{name}-serving", db_username=f"{name}_serving", db_password=f"r+ader'{secrets.token_hex(8)}", **where)


@dataclass
class Runner:
    """Runs the image as its task definition would: read-only root, /tmp, and nothing secret in the environment."""

    image: str
    account: Account
    said: list[str] = field(default_factory=list)  # all that was ever written by what it ran
    products: list[str] = field(default_factory=lambda: ["image/products/*.yaml"])
    index: list[dict] = field(default_factory=lambda: [{"source": "image/sample", "pattern": "*.odc-metadata.yaml"}])

    def _arguments(self, service: str, environment: dict[str, str]) -> list[str]:
        given = {**self.account.environment, "CHAMBER_SERVICE": service, "PGSSLMODE": "prefer",
                 "SERVING_CHAMBER_SERVICES": "odc-serving", "PRODUCTS": json.dumps(self.products),
                 "INDEX": json.dumps(self.index), "OWS_PUBLIC_URL": "https://maps.example.com/", **environment}
        variables = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
        return ["--label", LABEL, "--network", LABEL, "--read-only", "--tmpfs", "/tmp", *variables, self.image]

    def __call__(self, *command: str, service: str = "odc-admin", **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        done = docker("run", "--rm", *self._arguments(service, environment), *command, check=False)
        self.said.append(done.stdout + done.stderr)
        return done

    def job(self, name: str, service: str = "odc-admin", **environment: str) -> dict:
        """Runs a job that must succeed; answers its result."""
        done = self("python3", "-m", "ows_jobs", name, service=service, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        last = done.stdout.splitlines()[-1]
        assert last.startswith("RESULT "), last
        return json.loads(last.removeprefix("RESULT "))

    def failing_job(self, name: str, service: str = "odc-admin", **environment: str) -> tuple[int, str]:
        """Runs a job that must fail; answers its exit code and the last line."""
        done = self("python3", "-m", "ows_jobs", name, service=service, **environment)
        assert done.returncode != 0, done.stdout
        assert "RESULT" not in done.stdout and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    def serve(self, *command: str, service: str = "odc-serving", **environment: str) -> Container:
        """Starts the server, or another command, in the background."""
        return Container(docker("run", "-d", *self._arguments(service, environment), *command).stdout.strip())
