"""What stands in for a public image is what its tag says, and is built once."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import stand_ins as recipes
from engine import docker
from real_registry import Registry
from stand_ins import CHAMBER, OWS, POSTGIS


def run(image: str, *command: str) -> str:
    """What a container prints, to its end."""
    return docker("run", "--rm", image, *command).stdout


@pytest.fixture
def postgis(stand_ins: dict[str, str]) -> Iterator[str]:
    """A server with a user, a password and a database of its own; the container's name."""
    name = f"stand-in-test-{secrets.token_hex(4)}"
    docker(
        "run", "--detach", "--name", name, "--tmpfs", "/var/lib/postgresql/data", "-e", "POSTGRES_USER=master",
        "-e", "POSTGRES_PASSWORD=a b'c", "-e", "POSTGRES_DB=odc", POSTGIS.image,
        "-c", "fsync=off", "-c", "max_connections=17",
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while sql(name, "a b'c", "select 1").returncode:
            assert time.monotonic() < until, docker("logs", name).stderr
            time.sleep(0.2)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def sql(container: str, password: str, statement: str) -> subprocess.CompletedProcess[str]:
    # By the container's own address: the loopback of the default pg_hba.conf wants no password.
    url = "host=$(hostname -i) user=master dbname=odc connect_timeout=5"
    return docker(
        "exec", "-e", f"PGPASSWORD={password}", "-e", f"STATEMENT={statement}", container,
        "sh", "-c", f'psql -qAtX -v ON_ERROR_STOP=1 -d "{url}" -c "$STATEMENT"', check=False,
    )  # fmt: skip


def test_ows_is_the_release_of_its_tag_below_upstreams_entrypoint(stand_ins):
    said = run(OWS.image, "sh", "-c", "id -un; id -u; pwd; command -v datacube; datacube-ows-cfg --version 2>/dev/null")
    user, uid, folder, datacube, version = said.splitlines()
    assert (user, uid, folder, datacube) == ("ubuntu", "1000", "/home/ubuntu", "/app/bin/datacube")
    assert version.endswith(f" {OWS.version}")


def test_ows_comes_without_bytecode_as_upstreams_does(stand_ins):
    compiled = run(OWS.image, "find", "/app", "-name", "*.pyc")
    if stand_ins[OWS.image] in ("pulled", "the public image is there"):
        pytest.skip("This is upstream's own image.")
    assert compiled == ""


def test_chamber_is_the_release_of_its_tag(stand_ins, chamber_binary, need, tmp_path: Path):
    need("go", "Install Go, which reads what a program is made of: https://go.dev/dl")
    assert run(CHAMBER.image, "version").split() == ["chamber", f"v{CHAMBER.version}"]
    made = docker("create", CHAMBER.image).stdout.strip()
    docker("cp", f"{made}:/chamber", str(tmp_path / "chamber"))
    docker("rm", made)
    release = re.compile(rf"\bmod\s+github.com/segmentio/chamber/v2\s+v{re.escape(CHAMBER.version)}\s")
    for binary in (tmp_path / "chamber", chamber_binary):
        made_of = subprocess.run(["go", "version", "-m", str(binary)], capture_output=True, text=True, check=True).stdout
        assert release.search(made_of), made_of


def test_postgis_has_the_versions_of_its_tag_and_heeds_what_it_is_told(postgis: str):
    postgres, extension = POSTGIS.version.split("-")
    version = sql(postgis, "a b'c", "create extension postgis; show server_version; select postgis_lib_version()").stdout
    server, library = version.splitlines()
    assert server.startswith(f"{postgres}.") and library.startswith(f"{extension}.")
    assert sql(postgis, "a b'c", "show max_connections").stdout == "17\n"
    assert "password authentication failed" in sql(postgis, "another", "select 1").stderr


def test_postgis_without_a_password_does_not_start(stand_ins):
    refused = docker("run", "--rm", POSTGIS.image, check=False)
    assert refused.returncode == 1 and "superuser password is not specified" in refused.stderr


def test_what_is_there_is_not_built_again(stand_ins):
    begun = time.monotonic()
    again = recipes.prepare()
    assert set(again.values()) <= {"the stand-in is there", "the public image is there"}
    assert time.monotonic() - begun < 5


def test_a_changed_recipe_is_built_again_and_a_public_image_is_left_alone(docker_engine, tmp_path, monkeypatch):
    (tmp_path / "small").mkdir()
    name = f"stand-in-test-{secrets.token_hex(4)}"
    small = recipes.StandIn(name, "1.0", "small", ())
    prepare = tmp_path / "small" / "prepare.sh"
    prepare.write_text("#!/bin/sh\necho first > $1/content\n")
    prepare.chmod(0o755)
    (tmp_path / "small" / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
    monkeypatch.setattr(recipes, "RECIPES", tmp_path)
    monkeypatch.setattr(recipes, "ALL", (small,))
    try:
        assert recipes.prepare() == {f"{name}:1.0": "built"}
        assert recipes.prepare() == {f"{name}:1.0": "the stand-in is there"}
        first = docker("image", "inspect", "--format", "{{.Id}}", small.image).stdout
        prepare.write_text("#!/bin/sh\necho second > $1/content\n")
        assert recipes.prepare() == {f"{name}:1.0": "built"}
        left = docker("image", "inspect", first.strip(), check=False).returncode == 0
        assert not left, "The image of the former recipe is left behind."

        prepare.write_text("#!/bin/sh\nexit 1\n")
        monkeypatch.setattr(recipes, "LABEL", "a-label-that-it-does-not-have")
        assert recipes.prepare() == {f"{name}:1.0": "the public image is there"}
    finally:
        docker("image", "rm", "--force", small.image, check=False)


def test_the_registry_refuses_without_a_login_and_keeps_its_address_when_it_comes_back(image_registry: Registry):
    def status() -> int | None:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{image_registry.port}/v2/", timeout=5).status
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return None

    assert status() == 401
    image_registry.kill()
    assert status() is None
    image_registry.start()
    assert status() == 401
