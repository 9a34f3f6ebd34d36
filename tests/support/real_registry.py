"""A real image registry (Debian's docker-registry) of a test's own: with a login, on a free port, and mortal."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

CONFIGURATION = """\
version: 0.1
log: {{ level: error }}
storage:
  filesystem: {{ rootdirectory: {storage} }}
http: {{ addr: "127.0.0.1:{port}" }}
{login}
"""
LOGIN = "auth: {{ htpasswd: {{ realm: test, path: {file} }} }}"
USER = "somebody"


class Registry:
    """`address` is host:port; with `password` None anybody may pull and push."""

    def __init__(self, folder: Path, login: bool = True, storage: Path | None = None):
        self.folder, self.storage = folder, storage or folder / "storage"
        self.password = secrets.token_hex(12) if login else None
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> Registry:
        line = ""
        if self.password:
            file = self.folder / "htpasswd"
            made = subprocess.run(["htpasswd", "-niB", "-C", "4", USER], input=self.password, text=True, capture_output=True,
                                  check=True)
            file.write_text(made.stdout)
            line = LOGIN.format(file=file)
        configuration = self.folder / "registry.yml"
        configuration.write_text(CONFIGURATION.format(storage=self.storage, port=self.port, login=line))
        with open(self.folder / "registry.log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(configuration)], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise AssertionError((self.folder / "registry.log").read_text())

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def docker_configuration(self, password: str | None = None) -> Path:
        """A folder for DOCKER_CONFIG that holds the login, or a wrong one."""
        login = base64.b64encode(f"{USER}:{password or self.password}".encode()).decode()
        return docker_configuration(self.folder / secrets.token_hex(4), {"auths": {self.address: {"auth": login}}})

    def tags(self, repository: str) -> list[str]:
        """What the registry itself says that it has, asked without Docker."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2/{repository}/tags/list")
        if self.password:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode())
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                return json.load(answer)["tags"] or []
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise


class Between:
    """Passes on what a client says to a registry, until it says one thing: then the registry dies."""

    def __init__(self, registry: Registry, until: bytes):
        self.registry, self.until = registry, until
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"localhost:{self.server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
                behind = socket.create_connection(("127.0.0.1", self.registry.port))
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client, behind, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(behind, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, listens: bool) -> None:
        try:
            while said := source.recv(65536):
                if listens and self.until in said:
                    self.registry.kill()
                    self.server.close()
                    break
                target.sendall(said)
        except OSError:
            pass
        for end in (source, target):
            end.close()


def docker_configuration(folder: Path, content: dict) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
