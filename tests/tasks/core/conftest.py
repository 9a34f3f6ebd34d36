"""A real Terraform run that a test can hold in the middle, for as long as it likes and no longer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from canned_aws import CannedAws
from canned_services import NEW, answers
from small_state import MAIN, Bucket
from tasks.core import containers, ecs_tasks, events, kept_state, runs, state_keeper, working_root
from tasks.core.processes import alive
from tasks.core.session import Session
from tasks.core.settings import Settings
from tasks.core.terraform import Terraform

TASK = Path(__file__).with_name("a_task.py")
CANARY = "canary-5f1d0c"  # the database password of these runs

# first is made at once; the gate is read during the apply and cannot be interrupted; then comes last.
HELD = """\
variable "gate" {}
resource "terraform_data" "first" {
  provisioner "local-exec" {
    command     = "test \\"$PASSWORD\\" = CANARY"
    environment = { PASSWORD = var.db_password }
  }
}
data "terraform_remote_state" "gate" {
  backend    = "http"
  config     = { address = var.gate }
  depends_on = [terraform_data.first]
}
resource "terraform_data" "last" {
  input = data.terraform_remote_state.gate.backend
}
output "last" { value = terraform_data.last.id }
""".replace("CANARY", CANARY)


class Gate(ThreadingHTTPServer):
    """Holds whoever asks it until it is opened."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reached, self.opened = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def wait_until_reached(self) -> None:
        assert self.reached.wait(30), "Terraform has not come to the gate."

    def open(self) -> None:
        self.opened.set()

    def handle_error(self, request, client_address) -> None:
        """Terraform was killed while it waited."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.reached.set()
        self.server.opened.wait(60)
        body = json.dumps({"version": 4, "serial": 1, "lineage": "x", "outputs": {}, "resources": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def gate() -> Iterator[Gate]:
    server = Gate()
    yield server
    server.open()
    server.shutdown()
    server.server_close()


@pytest.fixture
def canary() -> str:
    """The database password of the runs: to be found nowhere but in Terraform's environment."""
    return CANARY


@pytest.fixture
def stack(local: Settings, need: Callable[..., str]) -> Callable[[str], Terraform]:
    """`stack(configuration)`: the smallest project with this as its main.tf, initialised with a local state."""
    need("terraform")

    def make(configuration: str) -> Terraform:
        (local.root / "main.tf").write_text(configuration)
        terraform = Terraform(Session(local, dict(os.environ), None))
        terraform.run("init", input=False)
        return terraform

    return make


@pytest.fixture
def planned(local: Settings) -> Callable[[Terraform], tuple[Path, list[dict]]]:
    """`planned(terraform)`: plan as the tasks do; answers the plan's file and its events."""

    def make(terraform: Terraform) -> tuple[Path, list[dict]]:
        file = local.root / "test.tfplan"
        run = terraform.plan(file, {"db_password_version": 1})
        code = runs.follow(run, on_event=lambda event: None)
        assert code in (0, 2), (events.errors(run.events()), runs.stderr(run))
        return file, run.events()

    return make


@pytest.fixture
def applied(planned) -> Callable[[Terraform], None]:
    """`applied(terraform)`: plan and apply as the tasks do."""

    def make(terraform: Terraform) -> None:
        file, _ = planned(terraform)
        assert runs.follow(terraform.apply(file, CANARY), on_event=lambda event: None) == 0

    return make


@pytest.fixture
def held(gate: Gate, local: Settings, stack, planned) -> Iterator[tuple[Terraform, Path]]:
    """A saved plan whose apply stops at the gate; whatever runs at the end of the test is ended."""
    with open(local.tfvars, "a") as tfvars:
        tfvars.write(f'gate = "{gate.address}"\n')
    terraform = stack(HELD)
    file, _ = planned(terraform)
    yield terraform, file
    gate.open()
    run = runs.find(local)
    for pid, started in ((run.pid, run.start_time), (run.supervisor, run.supervisor_start_time)):
        if alive(pid, started):
            os.kill(pid, signal.SIGKILL)


def _as_in_a_terminal() -> None:
    """The tests may run under nohup, which has what they start ignore the end of its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Task:
    """A task in a process of its own, with the project's own frame around it; see a_task.py."""

    def __init__(self, root: Path, *arguments: str, **options) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(runs.__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(TASK), str(root), *arguments], env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_as_in_a_terminal, **options)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Its exit code and what it said on stderr."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def task(local: Settings) -> Iterator[Callable[..., Task]]:
    """`task("apply", plan)` or `task("follow")` in a process of its own."""
    started: list[Task] = []

    def start(*arguments: str, **options) -> Task:
        started.append(Task(local.root, *map(str, arguments), **options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


@pytest.fixture
def wait() -> Callable[[Callable[[], bool]], None]:
    """`wait(lambda: …)` until it is true."""

    def until(true: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "It has not come true."
            time.sleep(0.02)

    return until


@pytest.fixture
def bucket(aws, client) -> Bucket:
    (aws.settings.root / "main.tf").write_text(MAIN)
    client("s3").create_bucket(Bucket=aws.settings.state_bucket,
                               CreateBucketConfiguration={"LocationConstraint": aws.settings.region})
    return Bucket(aws, client)


@pytest.fixture
def file(aws):
    return working_root.state_file(aws.settings)


@pytest.fixture
def keeper(aws, monkeypatch):
    """`keeper()` is what the supervisor has, in its environment."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    events = aws.settings.private_dir("runs", aws.settings.workspace) / "events.jsonl"
    return lambda: state_keeper.Keeper(kept_state.record_file(aws.settings), events)


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(ecs_tasks.time, "sleep", lambda seconds: None)


@pytest.fixture
def followed(local, no_pauses):
    """`followed(service, …)` follows the deployment of NEW through these answers of DescribeServices."""

    def until_deployed(
        *story: dict | None, limit: float = 60, tell=lambda service: None, say=lambda text: None, id=None, over=None,
        **canned,
    ):
        aws = CannedAws(local, describe_services=answers(*story), **canned)
        following = containers.Following(aws, "small", "ows", NEW, id, say, over)
        return containers.wait_for_all([following], tell, limit, poll=0)[0]

    return until_deployed
