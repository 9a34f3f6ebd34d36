"""A generated project that is driven as a user drives it, and a watch on every process's command line."""

from __future__ import annotations

import json
import random
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

STATE_BUCKET = "datacube-wms-state-000000000000-ap-southeast-2"
# The database password, so that it can be looked for everywhere; another one where tests run beside these.
CANARY = f"canary-Pw-{secrets.token_hex(8)}"


@dataclass
class Answer:
    """What a task answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@dataclass
class Project:
    """A generated project that is driven as a user drives it: by `invoke` in its folder."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen] = field(default_factory=list)

    def begin(self, *words: str) -> subprocess.Popen:
        """Start `invoke WORDS` and do not wait for it. A group of its own, as a terminal's job has."""
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", *words], cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.started.append(process)
        return process

    def invoke(self, *words: str, timeout: float = 600) -> Answer:
        process = self.begin(*words)
        out, err = process.communicate(timeout=timeout)
        return Answer(process.returncode, out, err)

    def must(self, *words: str) -> Answer:
        answer = self.invoke(*words)
        assert answer.code == 0, f"invoke {' '.join(words)}: exit {answer.code}\n{answer.out[-2000:]}\n{answer.err[-4000:]}"
        return answer

    def plan(self) -> dict:
        """What `invoke plan` would change, as {address: action}."""
        return {change["address"]: change["action"] for change in self.must("plan", "--json").json["changes"]}

    def require_clean(self) -> None:
        answer = self.invoke("plan", "--detailed-exitcode")
        assert answer.code == 0, answer.out + answer.err

    def edit(self, variable: str, value: str, workspace: str = "local") -> None:
        """Give a one-line variable of a tfvars file another value (as HCL)."""
        file = self.folder / "workspaces" / f"{workspace}.tfvars"
        text, count = re.subn(rf"(?m)^({variable}\s*=\s*)[^#\n]*", rf"\g<1>{value} ", file.read_text())
        if not count:
            text += f"\n{variable} = {value}\n"
        file.write_text(text)

    def events(self) -> list[dict]:
        """Terraform's events of the run that goes on or went last."""
        file = self.folder / ".local" / "runs" / "local" / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def wait_for_event(self, wanted: Callable[[dict], bool], timeout: float = 180) -> dict:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for event in self.events():
                if wanted(event):
                    return event
            time.sleep(0.1)
        raise AssertionError(f"the event did not come within {timeout} s; last: {self.events()[-3:]}")

    @property
    def endpoint(self) -> str:
        return json.loads((self.folder / ".local" / "aws" / "server.json").read_text())["endpoint"]

    def client(self, service: str, account: str = "000000000000"):
        """boto3 on the embedded account."""
        import boto3

        return boto3.client(service, region_name="ap-southeast-2", endpoint_url=self.endpoint,
                            aws_access_key_id=account, aws_secret_access_key="local")

    @property
    def by_hand(self) -> dict[str, str]:
        """What a person exports to run Terraform in the workspace local without the tasks."""
        return {
            "TF_WORKSPACE": "local", "TF_DATA_DIR": ".terraform/local", "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "ap-southeast-2",
        }

    def terraform(self, *words: str) -> str:
        """Terraform by hand, in the workspace local."""
        environment = {**self.environment, **self.by_hand}
        done = subprocess.run(["terraform", *words], cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
        self.environment.pop("AWS_ENDPOINT_URL", None)  # a server that is named is nobody's to stop
        self.invoke("local.down", timeout=60)


class Watch(threading.Thread):
    """Looks at every process's command line, again and again, for a text that must not be there."""

    def __init__(self, text: str):
        super().__init__(daemon=True)
        self.text, self.looks, self.found = text.encode(), 0, []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self.looks += 1
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    command = file.read_bytes()
                except OSError:
                    continue
                if self.text in command:
                    self.found.append(command.replace(b"\0", b" ").decode(errors="replace"))

    def end(self) -> None:
        self._ended.set()
        self.join()


def serve_at(folder: Path, port: int) -> None:
    """Have a project's embedded AWS use this port, as if it were the last one: the endpoint stands in what is deployed."""
    home = folder / ".local" / "aws"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "server.json").write_text(json.dumps({"home": str(home.resolve()), "port": port}))


def port_that_nobody_is_given() -> int:
    """A free port that no one gets who asks the system for any."""
    for port in random.sample(range(20000, 30000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("No free port was found.")


def share(embedded: Path, folder: Path) -> None:
    """All projects of a test run use one environment of MiniStack."""
    (folder / ".local").mkdir(mode=0o700, exist_ok=True)
    (folder / ".local" / "ministack").symlink_to(embedded)
