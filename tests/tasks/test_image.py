"""The namespace `docker` as its user types it, on a real engine and a real registry; and the step that `deploy` takes."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest

import tiny_images
from tasks import image
from tasks.core import images, pins, registry, session, settings
from tasks.core.console import BadInput, Failed, Refused
from tiny_images import program

STEP = 'FROM scratch\nCOPY step /step\nRUN ["/step"]\nENTRYPOINT ["/step"]\n'


def test_what_local_cannot_hand_on_is_pushed_for_the_workspace_that_wants_it(root):
    """Into ECR nothing is pushed from local; any other registry takes it."""
    local, dev = settings.load("local", root), settings.load("dev", root)
    for address, run in (("ecr", "invoke docker.push -w dev"), ("ghcr.io/x/y", "invoke docker.push")):
        source = replace(local, project=replace(local.project, image_repository=address))
        with pytest.raises(Refused, match="pins nothing that workspace dev takes") as refused:
            image._promotable(source, dev)
        assert refused.value.run == run


OLD, NEW, OTHER = (f"ghcr.io/x/y@sha256:{letter * 64}" for letter in "abc")


@pytest.mark.parametrize(("theirs", "told"), [(OLD, True), (OTHER, False), (None, False)])
def test_a_promoted_pin_is_not_replaced_unseen(root, monkeypatch, capsys, theirs, told):
    """`deploy` alone takes this checkout's image, whatever was promoted."""
    dev = session_of(root, "ghcr.io/x/y", "dev")
    pins.write(dev.settings, {"ows": OLD})
    if theirs:
        pins.write(settings.load("local", root), {"ows": theirs})
    monkeypatch.setattr(images, "content_tag", lambda settings_: "1-abc")
    monkeypatch.setattr(registry, "digest", lambda session_, tag: NEW.partition("@")[2])
    for _ in range(2):  # the second time nothing is replaced
        assert image.ensure(dev, print) == {"ows": NEW} == pins.read(dev.settings)
    said = capsys.readouterr().err
    assert said.count("takes the place of") == told
    if told:
        assert f"{OLD}, which local.images.tfvars.json pins, too" in said
        assert f"invoke deploy -w dev --image {OLD}" in said


def test_a_named_image_replaces_a_promoted_one_without_a_word(root, capsys):
    dev = session_of(root, "ghcr.io/x/y", "dev")
    for workspace in ("dev", "local"):
        pins.write(settings.load(workspace, root), {"ows": OLD})
    assert image.ensure(dev, print, image=NEW) == {"ows": NEW}
    assert capsys.readouterr().err == ""


def test_in_local_a_promoted_pin_is_not_dropped_unseen(root, monkeypatch, capsys):
    local = session_of(root, "ghcr.io/x/y", "local")
    for workspace in ("dev", "local"):
        pins.write(settings.load(workspace, root), {"ows": OLD})
    monkeypatch.setattr(images, "build", lambda settings_, say: images.Built("small:1-abc", "sha256:1", made=False))
    monkeypatch.setattr(images, "find", lambda reference: None)
    assert image.ensure(local, print) == {"ows": "small:1-abc"}
    assert "which dev.images.tfvars.json pins, too" in capsys.readouterr().err


def test_what_was_promoted_is_deployed_by_its_digest(root):
    dev = settings.load("dev", root)
    pins.write(dev, {"ows": OLD, "gone": NEW})
    assert image._deploying(dev) == f"invoke deploy -w dev --image {OLD}"
    two = replace(dev, variables={**dev.variables, "services": {"ows": {}, "tiles": {}}})
    pins.write(dev, {"tiles": NEW})
    assert image._deploying(two) == "invoke plan -w dev, then invoke apply -w dev"


@pytest.fixture
def there(docker_engine, image_registry, monkeypatch):
    """A registry that wants a login, which Docker's configuration holds."""
    if platform.machine() != "x86_64":
        pytest.skip("The tiny programs of these tests are for x86_64.")
    monkeypatch.setenv("DOCKER_CONFIG", str(image_registry.docker_configuration()))
    return image_registry


class Project:
    """A baked project whose image is tiny."""

    def __init__(self, invoke, slug: str, address: str):
        self.run, self.folder, self.slug, self.repository = invoke, invoke.folder, slug, f"{address}/maps/{slug}"
        file = self.folder / "invoke.yaml"
        text = re.sub(r"(?m)^  slug: .*$", f'  slug: "{slug}"', file.read_text())
        file.write_text(re.sub(r"(?m)^  image_repository: .*$", f'  image_repository: "{self.repository}"', text))
        shutil.rmtree(self.folder / "image", ignore_errors=True)
        self.give(STEP, step=program(says=f"hello {slug}\n"))  # its own, or BuildKit would know the step

    def give(self, dockerfile: str, **programs: bytes) -> None:
        tiny_images.give(self.folder, dockerfile, **programs)

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        here = {name: os.environ[name] for name in ("DOCKER_CONFIG", "DOCKER_HOST") if name in os.environ}
        return self.run(*arguments, **{**here, **environment})

    def json(self, *arguments: str) -> dict:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def pins(self, workspace: str = "dev") -> dict[str, str]:
        file = self.folder / "workspaces" / f"{workspace}.images.tfvars.json"
        return json.loads(file.read_text())["images"] if file.exists() else {}


@pytest.fixture
def project(there, invoke, slug):
    yield Project(invoke, slug, there.address)
    tiny_images.forget(slug)


def test_built_pushed_pinned_and_a_second_time_neither(project, there):
    built = project.json("docker.build", "-w", "dev")
    assert (built["image"], built["built"]) == (f"{project.slug}:{built['tag']}", True)
    pushed = project.json("docker.push", "-w", "dev")
    assert re.fullmatch(rf"{project.repository}@sha256:[0-9a-f]{{64}}", pushed["image"])
    assert (pushed["tag"], pushed["pushed"], pushed["pinned"], pushed["changed"]) == (built["tag"], True, ["ows"], True)
    assert project.pins() == {"ows": pushed["image"]} and there.tags(f"maps/{project.slug}") == [built["tag"]]

    assert project.json("docker.build", "-w", "dev")["built"] is False
    again = project("docker.push", "-w", "dev")
    assert "is in the registry already and was pinned in workspaces/dev.images.tfvars.json" in again.stdout
    assert "already built" in project("docker.build", "-w", "dev").stdout


def test_the_steps_are_progress_and_the_result_is_the_result(project):
    done = project("docker.build", "-w", "dev")
    assert "hello" in done.stderr and "hello" not in done.stdout and "\x1b" not in done.stderr
    assert re.fullmatch(rf"{project.slug}:1\.9\.14-[0-9a-f]{{12}} is built\.\n", done.stdout)


def test_a_changed_file_is_another_image(project):
    first = project.json("docker.build", "-w", "dev")
    (project.folder / "image" / "step").write_bytes(program(says="other\n"))
    second = project.json("docker.build", "-w", "dev")
    assert second["built"] and second["tag"] != first["tag"]


def test_a_push_for_one_workspace_leaves_the_other_ones_file(project):
    assert project("workspace.add", "prod").returncode == 0
    project("docker.build", "-w", "dev")
    project("docker.push", "-w", "dev")
    assert project.pins("prod") == {} and project.pins("local") == {}


def test_the_digest_tells_what_is_pinned_and_whether_it_is_what_is_here(project):
    before = project.json("docker.digest", "-w", "dev")
    assert before["digest"] is None and before["services"] == [
        {"service": "ows", "image": None, "tags": [], "own": False, "current": None}]
    project("docker.build", "-w", "dev")
    project("docker.push", "-w", "dev")
    found = project.json("docker.digest", "-w", "dev")
    [row] = found["services"]
    assert row == {"service": "ows", "image": project.pins()["ows"], "tags": [found["tag"]], "own": False, "current": True}
    (project.folder / "image" / "step").write_bytes(program(says="other\n"))
    [row] = project.json("docker.digest", "-w", "dev")["services"]
    assert row["current"] is False
    text = project("docker.digest", "-w", "dev", DOCKER_HOST="unix:///nowhere")
    assert text.returncode == 0 and project.pins()["ows"] in text.stdout and "No Docker engine answers" in text.stderr


def test_promoted_is_the_very_same_digest(project):
    assert project("workspace.add", "prod").returncode == 0
    nothing = project("docker.promote", "--from", "dev", "-w", "prod", "--yes")
    assert nothing.returncode == 3 and "pins nothing" in nothing.stderr
    project("docker.build", "-w", "dev")
    project("docker.push", "-w", "dev")
    asked = project("docker.promote", "--from", "dev", "-w", "prod")
    assert asked.returncode == 3 and "add --yes" in asked.stderr and project.pins("prod") == {}
    done = project("docker.promote", "--from", "dev", "-w", "prod", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.pins("prod") == project.pins("dev") != {}
    assert f"next: invoke deploy -w prod --image {project.pins('prod')['ows']}" in done.stderr
    again = project("docker.promote", "--from", "dev", "-w", "prod")
    assert (again.returncode, again.stdout) == (0, "prod has pinned what dev has; nothing was changed.\n")
    assert project("docker.promote", "-w", "prod").returncode == 4


def test_a_digest_for_other_machines_or_in_another_account_is_not_promoted_unseen(project):
    assert project("workspace.add", "prod").returncode == 0
    file = project.folder / "workspaces" / "prod.tfvars"
    settings_ = settings.load("dev", project.folder)
    pins.write(settings_, {"ows": "111111111111.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "a" * 64})
    warned = project("docker.promote", "--from", "dev", "-w", "prod", "--yes")
    assert warned.returncode == 0 and "is in account 111111111111" in warned.stderr
    pins.write(settings_, {"ows": "ghcr.io/org/x@sha256:" + "b" * 64})
    file.write_text(re.sub(r'instance_type( *)= "t3', r'instance_type\1= "t4g', file.read_text()))
    refused = project("docker.promote", "--from", "dev", "-w", "prod", "--yes")
    assert refused.returncode == 3 and "dev runs x86_64 images and prod arm64" in refused.stderr
    pins.write(settings_, {"ows": "ghcr.io/org/x:latest"})
    file.write_text(file.read_text().replace('"t4g', '"t3'))
    refused = project("docker.promote", "--from", "dev", "-w", "prod", "--yes")
    assert refused.returncode == 3 and "is a tag, which may mean another image" in refused.stderr


@pytest.mark.parametrize("task", ["build", "push", "digest"])
def test_a_failure_is_one_sentence_its_code_and_nothing_pinned(project, task):
    done = project(f"docker.{task}", "-w", "dev", "--json", DOCKER_HOST="unix:///nowhere")
    if task == "digest":  # it reports what it can
        assert done.returncode == 0
        return
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["message"] == (
        "No Docker engine answers at unix:///nowhere, which DOCKER_HOST names.")
    assert project.pins() == {}


def test_a_registry_that_is_away_pins_nothing(project, there):
    project("docker.build", "-w", "dev")
    there.kill()
    done = project("docker.push", "-w", "dev")
    assert done.returncode == 1 and "does not answer" in done.stderr and project.pins() == {}
    asked = project("docker.digest", "-w", "dev")
    assert asked.returncode == 0 and "does not answer" in asked.stderr and "Nothing is pinned." not in asked.stderr


def test_ctrl_c_in_a_build_is_130(project):
    project.give(STEP, step=program(says="hello\n", waits=True))
    child = subprocess.Popen(project.run.command("docker.build", "-w", "dev"), cwd=project.folder, stderr=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True,
                             env=project.run.environment(PYTHONUNBUFFERED="1"))
    for line in child.stderr:
        if "RUN [" in line:
            break
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130 and out == "" and "Interrupted: the image was not built." in err
    assert "Traceback" not in err


def test_the_embedded_aws_takes_no_push(project, embedded):
    file = project.folder / "invoke.yaml"
    file.write_text(file.read_text().replace(f'"{project.repository}"', '"ecr"'))
    done = project("docker.push", AWS_ENDPOINT_URL=embedded.endpoint)
    assert done.returncode == 3 and "The embedded AWS has no registry to push to" in done.stderr


def test_run_by_hand_has_the_embedded_aws_and_tells_the_exit_code(project, embedded):
    project.give('FROM scratch\nCOPY shows fails /\nENTRYPOINT ["/shows"]\n', shows=program(shows="/proc/self/environ"),
                 fails=program(code=9))
    assert project("docker.run", AWS_ENDPOINT_URL=embedded.endpoint).returncode == 3
    assert project("docker.build").returncode == 0
    done = project("docker.run", AWS_ENDPOINT_URL=embedded.endpoint)
    told = dict(line.partition("=")[::2] for line in done.stdout.split("\0"))
    assert done.returncode == 0 and told["CHAMBER_SERVICE"] == f"{project.slug}-local", done.stderr
    assert told["AWS_ACCESS_KEY_ID"] == "000000000000" and told["AWS_REGION"] == "ap-southeast-2"
    assert told["AWS_ENDPOINT_URL"].endswith(embedded.endpoint.rpartition(":")[2])
    project.give('FROM scratch\nCOPY fails /\nENTRYPOINT ["/fails"]\n')
    project("docker.build")
    done = project("docker.run", "--command", "x 'y z'", AWS_ENDPOINT_URL=embedded.endpoint)
    assert done.returncode == 5 and "The container ended with exit code 9." in done.stderr
    assert project("docker.run", "--command", "it's", AWS_ENDPOINT_URL=embedded.endpoint).returncode == 4
    assert project("docker.run", "-w", "dev").returncode == 3


# --- the step of `deploy`


@pytest.fixture
def dev(there, root, slug):
    """The smallest project's session with dev, whose registry is there."""
    tiny_images.give(root, "FROM scratch\nCOPY a /a\n", a=b"a")
    yield session_of(root, f"{there.address}/maps/{slug}", "dev")
    tiny_images.forget(slug)


def session_of(root, repository: str, workspace: str) -> session.Session:
    found = settings.load(workspace, root)
    return session.Session(replace(found, project=replace(found.project, image_repository=repository)), {}, None)


def never(*_):
    raise AssertionError("This must not be done.")


def test_the_first_deploy_builds_and_pushes_and_the_next_one_only_pins(dev, monkeypatch):
    made = image.ensure(dev, print)
    assert made == {"ows": pins.read(dev.settings)["ows"]} and "@sha256:" in made["ows"]
    dev.settings.images_file.unlink()
    monkeypatch.setattr(images, "build", never)
    monkeypatch.setattr(images, "push", never)
    assert image.ensure(dev, print) == made == pins.read(dev.settings)


def test_a_named_image_is_pinned_by_its_digest_and_nothing_is_built(dev, monkeypatch):
    made = image.ensure(dev, print)["ows"]
    named = f"{registry.repository(dev.settings)}:{images.content_tag(dev.settings)}"
    (dev.settings.root / "image" / "a").write_bytes(b"changed")
    monkeypatch.setattr(images, "build", never)
    dev.settings.images_file.unlink()
    assert image.ensure(dev, print, image=named) == {"ows": made} == pins.read(dev.settings)
    with pytest.raises(BadInput, match="There is no image"):
        image.ensure(dev, print, image=named + "x")
    assert pins.read(dev.settings) == {"ows": made}


def test_a_failed_push_pins_nothing(dev, there):
    images.build(dev.settings, print)
    there.kill()
    with pytest.raises(Failed, match="does not answer"):
        image.ensure(dev, print)
    assert not dev.settings.images_file.exists()


def test_a_service_with_an_image_of_its_own_is_left_alone(dev, monkeypatch):
    variables = {**dev.settings.variables, "services": {"ows": {"image": "x"}}}
    own = replace(dev, settings=replace(dev.settings, variables=variables))
    monkeypatch.setattr(images, "content_tag", never)
    assert image.ensure(own, print) == {}
    with pytest.raises(BadInput, match="has an image of its own"):
        image.ensure(own, print, image="ghcr.io/x/y:1")


def test_in_local_the_engine_is_enough_and_a_pin_of_the_same_image_is_kept(dev, there, root, slug):
    elsewhere = "registry.invalid/x"  # nothing may be asked there
    local = session_of(root, elsewhere, "local")
    name = images.local_name(local.settings)
    assert image.ensure(local, print) == {"ows": name} and not local.settings.images_file.exists()

    real = session_of(root, f"{there.address}/maps/{slug}", "local")
    pushed = registry.push(real, images.content_tag(local.settings), print)
    pins.write(local.settings, {"ows": pushed.image, "other": "x:1"})
    assert image.ensure(local, print) == {"ows": pushed.image}

    (root / "image" / "a").write_bytes(b"changed")
    changed = image.ensure(local, print)["ows"]
    assert changed == images.local_name(local.settings) != name
    assert pins.read(local.settings) == {"other": "x:1"}, "A pin of another image would hide what was built."
    assert image.ensure(local, print, image=name) == {"ows": name}
