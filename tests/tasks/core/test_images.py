"""The project's image in a real Docker engine: built once, shown as it happens, never half there, run by hand."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import uuid
from dataclasses import replace

import pytest

import tiny_images
from engine import docker
from tasks.core import builder, images, settings
from tasks.core.console import Failed, Interrupted, Refused
from tiny_images import program

STEP = 'FROM scratch\nCOPY step /step\nRUN ["/step"]\n'

BUILDKIT = builder.client() if shutil.which("docker") else None
WAYS = {"classic": builder.Client(("docker", "build", "--force-rm"), "0", False)}
if BUILDKIT and BUILDKIT.buildkit:
    WAYS["buildkit"] = BUILDKIT


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request, monkeypatch):
    """Each builder that this machine has."""
    monkeypatch.setattr(builder, "client", lambda: request.param)
    return request.param


@pytest.fixture
def project(root, slug, docker_engine, monkeypatch):
    """`project(dockerfile, program=…)`: the smallest project with this image/, in an engine that forgets it afterwards."""
    if platform.machine() != "x86_64":
        pytest.skip("The tiny programs of these tests are for x86_64.")

    def make(dockerfile: str, workspace: str = "dev", **programs: bytes) -> settings.Settings:
        tiny_images.give(root, dockerfile, **programs)
        return settings.load(workspace, root)

    yield make
    monkeypatch.undo()  # a test may have named an engine that is not there
    tiny_images.forget(slug)


def images_of(slug: str) -> list[str]:
    return docker("images", "-q", slug).stdout.split()


def containers_of(image: str) -> list[str]:
    return docker("ps", "-aq", "--filter", f"ancestor={image}").stdout.split()


def test_a_build_shows_its_steps_and_a_second_one_builds_nothing(project, way):
    hello = f"hello {uuid.uuid4()}"  # of this build alone, or BuildKit would know the step
    dev, said = project(STEP, step=program(says=f"{hello}\n")), []
    built = images.build(dev, said.append)
    assert built.made and built.name == f"{dev.project.slug}:{images.content_tag(dev)}"
    assert any(hello in line for line in said), said
    again: list[str] = []
    assert images.build(dev, again.append) == replace(built, made=False) and again == []


def test_the_build_gets_its_arguments_and_the_labels_do_not_make_another_image(project, way):
    arguments = ("OWS_VERSION", "CHAMBER_VERSION", "SOURCE_COMMIT=unknown", "TEMPLATE_VERSION")
    labels = " ".join(f'l{number}="${{{name.partition("=")[0]}}}"' for number, name in enumerate(arguments))
    dev = project("FROM scratch\n" + "".join(f"ARG {name}\n" for name in arguments) + f"LABEL {labels}\nCOPY x /x\n", x=b"x")
    dev = replace(dev, project=replace(dev.project, template={"version": "4.5"}))
    with images.engine() as client:
        found = client.api.inspect_image(images.build(dev, lambda line: None).name)["Config"]["Labels"]
    assert [found[f"l{number}"] for number in range(4)] == ["1.9.14", "2.14.1", "unknown", "4.5"]


def test_the_commit_is_in_a_label_and_a_plus_tells_of_changes(project, need):
    need("git")
    dev = project("FROM scratch\nARG SOURCE_COMMIT\nLABEL commit=${SOURCE_COMMIT}\nCOPY x /x\n", x=b"x")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(dev.root)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    for change, wanted in ((None, commit), (b"y", f"{commit}+")):
        if change:
            (dev.root / "image" / "x").write_bytes(change)
        with images.engine() as client:
            labels = client.api.inspect_image(images.build(dev, lambda line: None).name)["Config"]["Labels"]
        assert labels["commit"] == wanted


def test_a_failing_step_is_named_with_its_last_lines_and_leaves_no_name(project, way):
    dev = project(STEP, step=program(says="this is why\n", code=7))
    with pytest.raises(Failed) as failed:
        images.build(dev, lambda line: None)
    assert 'RUN ["/step"] failed: its command ended with exit code 7.' in failed.value.message
    assert failed.value.message.splitlines()[1:] == ["    this is why"] and failed.value.code == 1
    assert images_of(dev.project.slug) == []


def test_a_base_image_that_cannot_be_pulled(project, way):
    dev = project("FROM localhost:1/nobody/none:1\nCOPY x /x\n", x=b"x")
    with pytest.raises(Failed, match="a base image cannot be pulled: .*connection refused"):
        images.build(dev, lambda line: None)


def test_a_dockerfile_that_is_wrong(project, way):
    with pytest.raises(Failed, match="The image was not built. .*unknown instruction: RUNN"):
        images.build(project("FROM scratch\nRUNN x\n"), lambda line: None)


def test_an_image_that_came_out_for_another_architecture_loses_its_name(project, monkeypatch):
    """The classic builder takes whatever base image is here, and calls the outcome done."""
    monkeypatch.setattr(builder, "client", lambda: WAYS["classic"])
    dev = project("FROM scratch\nCOPY x /x\n", x=b"x")
    base = f"{dev.project.slug}-base:1"
    docker("build", "-q", "-t", base, str(images.context(dev)))
    arm = replace(dev, variables={**dev.variables, "instance_type": "t4g.medium"})
    (images.context(dev) / "Dockerfile").write_text(f"FROM {base}\nLABEL {tiny_images.LABEL} a=b\n")
    with pytest.raises(Failed, match="came out for x86_64, and workspace dev wants arm64"):
        images.build(arm, lambda line: None)
    assert images_of(dev.project.slug) == []


@pytest.mark.skipif("buildkit" not in WAYS, reason="No docker on the PATH builds with BuildKit.")
def test_an_image_for_arm64_is_built_where_no_step_runs(project):
    dev = project("FROM scratch\nCOPY x /x\n", x=b"x")
    arm = replace(dev, variables={**dev.variables, "instance_type": "t4g.medium"})
    assert images.find(images.build(arm, lambda line: None).name).architecture == "arm64"


@pytest.mark.skipif("buildkit" not in WAYS, reason="No docker on the PATH builds with BuildKit.")
def test_a_step_for_another_architecture_that_cannot_run_here_is_told(project):
    if any(name.startswith("qemu-") for name in os.listdir("/proc/sys/fs/binfmt_misc") or ()):
        pytest.skip("This machine runs programs of other architectures.")
    text = program()
    arm_program = text[:18] + (183).to_bytes(2, "little") + text[20:]  # e_machine: AArch64
    dev = project(STEP, step=arm_program)
    with pytest.raises(Failed, match="is not for linux/arm64"):
        images.build(replace(dev, variables={**dev.variables, "instance_type": "t4g.medium"}), lambda line: None)


def test_ctrl_c_ends_the_build_and_says_where_things_stand(project, way):
    dev = project(STEP, step=program(says="waiting\n", waits=True))

    def interrupt(line: str) -> None:
        if 'RUN ["/step"]' in line:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="the image was not built") as interrupted:
        images.build(dev, interrupt)
    assert interrupted.value.code == 130 and images_of(dev.project.slug) == []
    children = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    assert dev.project.slug not in children


def test_without_an_engine_it_is_a_sentence(project, monkeypatch):
    dev = project("FROM scratch\nCOPY x /x\n", x=b"x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    for ask in (lambda: images.build(dev, print), lambda: images.find("x"), lambda: images.require_built(dev)):
        with pytest.raises(images.NoEngine, match="No Docker engine answers at unix:///nowhere, which DOCKER_HOST names."):
            ask()
    with pytest.raises(Failed, match="an image can be pinned here, not built"):
        images.engine_version()


def test_a_user_who_may_not_use_the_engine_is_told_so():
    """Cannot happen here: root may."""
    said = "('Connection aborted.', PermissionError(13, 'Permission denied'))"
    assert "This user may not" in images._no_engine(said).message


def test_what_is_not_built_is_refused(project):
    dev = project("FROM scratch\nCOPY x /x\n", x=b"x")
    with pytest.raises(Refused) as refused:
        images.require_built(dev)
    assert refused.value.run == "invoke docker.build -w dev"


def test_a_moment_of_dockers_is_read_in_every_python():
    for text in ("2026-11-22T22:35:58.123456789Z", "2026-11-22T22:35:58.123Z", "2026-11-22T22:35:58Z"):
        found = images._moment(text)
        assert found.isoformat()[:19] == "2026-11-22T22:35:58" and found.utcoffset() is not None


# --- by hand


def run(image: str, command=(), environment=None, endpoint="http://127.0.0.1:1"):
    """Answers the exit code and what the container wrote."""
    written: list[tuple[str, bytes]] = []
    code = images.run(image, command, environment or {}, endpoint, lambda *each: written.append(each), lambda ports: None)
    return code, b"".join(text for _, text in written).decode()


def test_a_container_runs_to_its_end_and_is_taken_away(project):
    dev = project('FROM scratch\nCOPY fails shows /\nENTRYPOINT ["/shows"]\n', "dev",
                  fails=program(says="no\n", code=9), shows=program(shows="/proc/self/environ", code=3))
    built = images.build(dev, lambda line: None)
    code, output = run(built.name, environment={"CHAMBER_SERVICE": "x-local"}, endpoint="http://127.0.0.1:4566")
    told = dict(line.partition("=")[::2] for line in output.split("\0"))
    assert code == 3
    assert told["CHAMBER_SERVICE"] == "x-local"
    assert told["AWS_ENDPOINT_URL"] == told["CHAMBER_AWS_SSM_ENDPOINT"]
    assert containers_of(built.name) == []


def test_a_server_that_the_bridge_reaches_is_reached_over_the_bridge_and_else_over_the_hosts_network(containers):
    with images.engine() as client:
        with socket.create_server((containers.bridge, 0)) as server:
            port = server.getsockname()[1]
            assert images._way_to(client, f"http://127.0.0.1:{port}") == ("bridge", f"http://{containers.bridge}:{port}")
        assert images._way_to(client, f"http://127.0.0.1:{port}") == ("host", f"http://127.0.0.1:{port}")


def test_ctrl_c_takes_the_container_away(project):
    dev = project('FROM scratch\nCOPY waits /\nENTRYPOINT ["/waits"]\n', waits=program(says="up\n", waits=True))
    built = images.build(dev, lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        images.run(built.name, (), {}, "http://127.0.0.1:1", lambda *each: os.kill(os.getpid(), signal.SIGINT),
                   lambda ports: None)
    assert containers_of(built.name) == []
