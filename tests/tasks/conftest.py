"""Projects to try the tasks on: the smallest one that they accept, and a baked one for the command line."""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from invoke import Program

import tasks
from driven_project import Answer
from real_chamber import RealChamber
from tasks.core import embedded_aws, keys, session, settings
from tasks.core.session import Session

REPOSITORY = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
REGION = "ap-southeast-2"

INVOKE_YAML = """\
project:
  name: "Small"
  slug: "{slug}"
  owner: "maps@example.com"
  cluster: "{slug}"
  plan_max_age_minutes: 120
"""
TFVARS = """\
# kept: a comment
account   = "{account}"
region    = "ap-southeast-2" # kept, too
workspace = "{workspace}"

aws_ami = ""
parameter_store_key_alias = "alias/{slug}"
services = {{
  ows = {{ image = null, desired_count = 2 }}
}}
"""
VARIABLES = """\
variable "account" {}
variable "region" {}
variable "workspace" {}
variable "services" { default = {} }
variable "aws_ami" { default = "" }
variable "instance_type" { default = "t3.medium" }
variable "parameter_store_key_alias" { default = "alias/parameter_store_key" }
variable "db_password_version" { default = 1 }
variable "db_password" {
  type      = string
  default   = ""
  ephemeral = true
}
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the caller's AWS or Terraform settings, and no boto3 session of another test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")
    session._made.cache_clear()
    yield
    session._made.cache_clear()


@pytest.fixture
def slug() -> str:
    """A name of this test's own: the embedded account is shared."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def root(tmp_path: Path, slug: str) -> Path:
    """The smallest project that the tasks accept, with the workspaces local and dev."""
    folder = tmp_path / "project"
    (folder / "workspaces").mkdir(parents=True)
    (folder / "invoke.yaml").write_text(INVOKE_YAML.format(slug=slug))
    (folder / "variables.tf").write_text(VARIABLES)
    for workspace, account in {"local": "000000000000", "dev": "111111111111"}.items():
        text = TFVARS.format(workspace=workspace, account=account, slug=slug)
        (folder / "workspaces" / f"{workspace}.tfvars").write_text(text)
    return folder


@pytest.fixture
def local(root: Path) -> settings.Settings:
    """The settings of the smallest project's workspace local."""
    return settings.load("local", root)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_aws.Server]:
    """One embedded AWS for all these tests; each uses names, or an account, of its own."""
    home = tmp_path_factory.mktemp("embedded") / "aws"
    python = embedded_aws.environment(REPOSITORY / "build" / "ministack", print)
    yield embedded_aws.start(home, python)
    embedded_aws.stop(home)


@pytest.fixture(scope="session")
def client(embedded: embedded_aws.Server) -> Callable[..., object]:
    """`client("s3", account="111111111111")`: what a test looks with, beside the tasks' own sessions."""

    @functools.cache
    def make(service: str, account: str = "000000000000"):
        return boto3.Session(account, "any", region_name=REGION).client(service, endpoint_url=embedded.endpoint)

    return make


@pytest.fixture
def aws(embedded: embedded_aws.Server, local: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> session.Session:
    """The smallest project's session with the embedded AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    return session.connect(local)


@dataclass(frozen=True)
class CommandLine:
    """A baked project, used as its user does: `invoke`, with the user's environment and nothing of ours."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**kept, "LOCAL_CONTAINERS": "0", **more}

    def __call__(self, *arguments: str, input: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), cwd=self.folder, env=self.environment(**environment), timeout=120,
                              text=True, capture_output=True,
                              **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}))

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "invoke", *arguments]


@pytest.fixture(scope="session")
def baked(bake: Callable[..., Path]) -> Path:
    return bake()


@pytest.fixture
def invoke(baked: Path, tmp_path: Path) -> CommandLine:
    """The command line of a baked project, in a copy of this test's own."""
    return CommandLine(shutil.copytree(baked, tmp_path / "baked"))


@pytest.fixture
def real_chamber(chamber_binary: str, aws: session.Session) -> RealChamber:
    """The real chamber on the smallest project's account, under its alias."""
    return RealChamber(chamber_binary, aws.endpoint, aws.settings.key_alias)


@pytest.fixture
def invoke_here(aws: Session, root, monkeypatch, capsys) -> Callable[..., Answer]:
    """`invoke_here("chamber.list", "svc")`: the task in this process, in the smallest project instead of the template."""
    load = settings.load
    monkeypatch.setattr(settings, "load", lambda workspace=None, root=root: load(workspace, root))

    def run(*words: str, input: str | bytes = "") -> Answer:
        content = input if isinstance(input, bytes) else input.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        monkeypatch.setattr(sys, "argv", ["invoke", *words])
        capsys.readouterr()
        try:
            Program(namespace=tasks.namespace).run(["invoke", *words])
            code = 0
        except SystemExit as ended:
            code = ended.code
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture
def store(aws: Session) -> Session:
    keys.create(aws)
    return aws


@pytest.fixture
def service(store: Session) -> str:
    return store.settings.chamber_service
