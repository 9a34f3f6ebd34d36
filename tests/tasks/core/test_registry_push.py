"""Pushing to a real registry: once, read back, and each way in which a registry refuses is one sentence."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

import real_registry
import tiny_images
from engine import docker
from tasks.core import images, layers, registry, session, settings
from tasks.core.console import BadInput, Failed, Interrupted, Refused


@pytest.fixture
def there(docker_engine, image_registry, monkeypatch):
    """A registry that wants a login, and Docker's configuration that holds it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(image_registry.docker_configuration()))
    return image_registry


@pytest.fixture
def at(root, slug, monkeypatch):
    """`at(address)`: the smallest project's session with its image built and its registry there."""

    def make(address: str, content: bytes = b"x", workspace: str = "dev", build: bool = True) -> session.Session:
        tiny_images.give(root, "FROM scratch\nCOPY a /a\n", a=content)
        found = settings.load(workspace, root)
        found = replace(found, project=replace(found.project, image_repository=f"{address}/maps/{slug}"))
        if build:
            images.build(found, lambda line: None)
        return session.Session(found, {}, None)

    yield make
    monkeypatch.undo()  # a test may have named an engine that is not there
    tiny_images.forget(slug)


def push(here: session.Session, on_progress=lambda event: None) -> registry.Pushed:
    return registry.push(here, images.content_tag(here.settings), on_progress)


def nothing_is_pinned(here: session.Session) -> bool:
    return not here.settings.images_file.exists()


def test_an_image_is_pushed_read_back_and_not_pushed_again(there, at, slug):
    here, events = at(there.address), []
    tag = images.content_tag(here.settings)
    assert registry.digest(here, tag) is None
    pushed = push(here, events.append)
    assert re.fullmatch(rf"{there.address}/maps/{slug}@sha256:[0-9a-f]{{64}}", pushed.image) and pushed.made
    assert there.tags(f"maps/{slug}") == [tag]
    assert pushed.image.endswith(registry.digest(here, tag))
    assert any(event.get("status") == "Pushed" for event in events)
    again: list[dict] = []
    assert push(here, again.append) == registry.Pushed(pushed.image, made=False) and again == []
    assert pushed.image in images.find(images.local_name(here.settings)).digests
    assert registry.tags(here, pushed.image) == [tag]


def test_the_first_digest_of_a_tag_stays_its_digest(there, at):
    """A second build of the same content has another date inside, and so another digest."""
    here = at(there.address)
    first = push(here)
    name = images.local_name(here.settings)
    docker("rmi", "-f", images.find(name).id)
    docker("build", "--no-cache", "-t", name, str(images.context(here.settings)))
    assert push(here) == registry.Pushed(first.image, made=False)


def test_what_was_never_built_is_refused(there, at):
    with pytest.raises(Refused) as refused:
        push(at(there.address, build=False))
    assert refused.value.run == "invoke docker.build -w dev"


def test_the_login_is_nowhere_but_in_dockers_own_configuration(there, at, capfd):
    here, events = at(there.address), []
    push(here, events.append)
    seen = repr(events) + "".join(capfd.readouterr())
    assert there.password not in seen
    written = subprocess.run(["grep", "-r", there.password, str(here.settings.root)], capture_output=True, text=True)
    assert written.returncode == 1, written.stdout


def test_a_refused_login(there, at, monkeypatch):
    here = at(there.address)
    monkeypatch.setenv("DOCKER_CONFIG", str(there.docker_configuration(password="wrong" + secrets.token_hex(4))))
    refuses_the_login(here, there)


def test_no_login_at_all(there, at, monkeypatch, tmp_path):
    here = at(there.address)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    refuses_the_login(here, there)


def refuses_the_login(here: session.Session, there: real_registry.Registry) -> None:
    with pytest.raises(Failed, match="refuses the login") as failed:
        push(here)
    assert failed.value.run == f"docker login {there.address}" and failed.value.code == 1
    assert "\n" not in failed.value.message and nothing_is_pinned(here)


def test_a_login_that_is_refused_while_pushing(there, at, monkeypatch):
    """The question for the digest may be answered to everybody, and only the push be refused."""
    here = at(there.address)
    monkeypatch.setenv("DOCKER_CONFIG", str(there.docker_configuration(password="wrong")))
    answers = iter([None])
    real = registry._digest
    monkeypatch.setattr(registry, "_digest", lambda *each, **more: next(answers) if answers.__length_hint__() else real(
        *each, **more))
    with pytest.raises(Failed, match="refuses the login"):
        push(here)


def test_a_credential_helper_that_is_not_here(there, at, monkeypatch, tmp_path):
    here = at(there.address)
    folder = real_registry.docker_configuration(tmp_path / "helper", {"credHelpers": {there.address: "nobody-has-this"}})
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    with pytest.raises(Failed, match="hands the login .* to docker-credential-nobody-has-this, which does not work here"):
        push(here)


def test_a_registry_that_nobody_serves(docker_engine, at):
    here = at(f"localhost:{real_registry.free_port()}")
    with pytest.raises(Failed, match="does not answer, .*Nothing is pinned.$") as failed:
        push(here)
    assert "\n" not in failed.value.message and failed.value.run == "invoke docker.push -w dev"


def test_who_only_asks_is_told_nothing_of_pins_and_pushes(docker_engine, at):
    here = at(f"localhost:{real_registry.free_port()}")
    image = f"{registry.repository(here.settings)}:1"
    for ask in (lambda: registry.digest(here, "1"), lambda: registry.resolve(here, image)):
        with pytest.raises(Failed, match="does not answer") as failed:
            ask()
        assert "pinned" not in failed.value.message and failed.value.run is None


def test_a_registry_that_dies_in_the_middle_of_a_push(there, at, slug, monkeypatch):
    between = real_registry.Between(there, until=f"PUT /v2/maps/{slug}/manifests/".encode())
    there.address = between.address
    monkeypatch.setenv("DOCKER_CONFIG", str(there.docker_configuration()))
    here, events = at(between.address, secrets.token_bytes(2000)), []
    with pytest.raises(Failed, match="does not answer, or not any more: .*Nothing is pinned.") as failed:
        push(here, events.append)
    assert failed.value.run == "invoke docker.push -w dev" and "\n" not in failed.value.message
    assert any(event.get("status") == "Pushed" for event in events), "It died before the push began."
    assert nothing_is_pinned(here)
    between.close()


def test_a_registry_without_room(docker_engine, registry_tools, at, tmp_path, monkeypatch):
    storage = tmp_path / "small"
    storage.mkdir()
    if os.geteuid() or not shutil.which("mount") or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", storage], capture_output=True).returncode:
        pytest.skip("A file system of 256 kB wants root.")
    found = real_registry.Registry(tmp_path / "registry", login=False, storage=storage)
    try:
        here = at(found.start().address, secrets.token_bytes(2000))
        # The layer is there already: the engine tries one five times, for almost a minute, and the rest once.
        push(here)
        with open(images.context(here.settings) / "Dockerfile", "a") as dockerfile:
            dockerfile.write("LABEL another=image\n")
        images.build(here.settings, lambda line: None)
        subprocess.run(["dd", "if=/dev/zero", f"of={storage}/rest"], capture_output=True)
        with pytest.raises(Failed, match="as one does whose disk is full; .*500 Internal Server Error") as failed:
            push(here)
        assert "\n" not in failed.value.message and nothing_is_pinned(here)
    finally:
        found.kill()
        subprocess.run(["umount", "-l", storage], check=True)


def test_ctrl_c_in_a_push_pins_nothing_and_the_next_push_goes_on(there, at):
    here = at(there.address, secrets.token_bytes(2000))

    def interrupt(event: dict) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="nothing is pinned") as interrupted:
        push(here, interrupt)
    assert interrupted.value.code == 130 and nothing_is_pinned(here)
    assert push(here).made


def test_without_an_engine_another_registry_cannot_be_asked(there, at, monkeypatch):
    here = at(there.address)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(images.NoEngine, match="No Docker engine answers"):
        push(here)


# --- any image, by name


def test_a_tag_becomes_its_digest_and_a_digest_stays(there, at):
    here = at(there.address)
    pushed = push(here).image
    tag = f"{pushed.partition('@')[0]}:{images.content_tag(here.settings)}"
    assert registry.resolve(here, tag) == pushed == registry.resolve(here, pushed)


def test_a_name_that_means_nothing_is_bad_input(there, at):
    here = at(there.address, build=False)
    for text, sentence in ((f"{there.address}/x:1", "There is no image"), (f"{there.address}/x", "names no tag"),
                           ("X y", "does not name an image")):
        with pytest.raises(BadInput, match=sentence):
            registry.resolve(here, text)


def test_an_image_for_other_machines_is_bad_input(there, at):
    here = at(there.address)
    push(here)
    variables = {**here.settings.variables, "instance_type": "t4g.medium"}
    arm = replace(here, settings=replace(here.settings, variables=variables))
    tag = f"{registry.repository(here.settings)}:{images.content_tag(here.settings)}"
    with pytest.raises(BadInput, match="is for x86_64, and workspace dev runs arm64"):
        registry.resolve(arm, tag)


# --- what no registry here says: the words of ECR, Docker Hub and the GitHub registry, from their documents and threads


@pytest.mark.parametrize(("said", "sentence"), [
    ("denied: Your authorization token has expired. Reauthenticate and try again.", "refuses the login"),
    ("no basic auth credentials", "refuses the login"),
    ("denied: requested access to the resource is denied", "does not let this login use"),
    ("denied: permission_denied: write_package", "does not let this login use"),
    ("name unknown: The repository with name 'x' does not exist in the registry with id '1'", "has no repository maps"),
    ("Get \"https://x/v2/\": net/http: TLS handshake timeout", "does not answer"),
    ("received unexpected HTTP status: 503 Service Unavailable", "does not answer"),
    ("blob upload invalid: no space left on device", "has no room left"),
    ("toomanyrequests: You have reached your pull rate limit", "refused registry.example.com/maps:1: toomanyrequests"),
])  # fmt: skip
def test_what_other_registries_say(root, said, sentence):
    tiny_images.give(root, "FROM scratch\n")
    target = registry.Reference("registry.example.com/maps", tag="1")
    found = registry._explain(settings.load("dev", root), target, said)
    assert found.code == 1 and found.message.startswith("registry.example.com ") and sentence in found.message


def test_a_layer_that_is_tried_again_is_told_once_each_time(capsys):
    with layers.shown() as show:
        for status in ("Preparing", "Pushing", "Retrying in 2 seconds", "Retrying in 1 second", "Pushing",
                       "Retrying in 10 seconds", "Retrying in 9 seconds", "Pushed"):
            show({"id": "a", "status": status})
    assert capsys.readouterr().err.splitlines() == ["a: Retrying in 2 seconds", "a: Retrying in 10 seconds", "a: Pushed"]


def test_progress_is_a_line_a_layer_on_stderr_and_no_colour_in_a_pipe(there, at):
    here = at(there.address, secrets.token_bytes(2000))
    program = ("import sys, pathlib, dataclasses as d; from tasks.core import layers, registry, images, session, settings;"
               "s = settings.load('dev', pathlib.Path(sys.argv[1]));"
               "s = d.replace(s, project=d.replace(s.project, image_repository=sys.argv[2]))\n"
               "with layers.shown() as show: registry.push(session.Session(s, {}, None), images.content_tag(s), show)")
    done = subprocess.run([sys.executable, "-c", program, str(here.settings.root), registry.repository(here.settings)],
                          cwd=here.settings.root, env={**os.environ, "PYTHONPATH": str(settings.ROOT)}, capture_output=True,
                          text=True)
    assert done.returncode == 0 and done.stdout == "" and "\x1b" not in done.stderr
    assert re.search(r"^[0-9a-f]{12}: Pushed$", done.stderr, re.MULTILINE), done.stderr
