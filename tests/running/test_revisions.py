"""Bad revisions go back by themselves and say why, good ones follow; and people go back by hand. Maps come all the time."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager

import pytest

from engine import docker
from running_project import READER, SERVICE, until

NOWHERE = "sha256:" + "0" * 64
SERVICES = "workspaces/local.tfvars"


@contextmanager
def nobody_notices(running):
    """Every map that is asked for until the block ends is drawn, by the tasks that ran before."""
    before = running.service()["taskDefinition"]
    with running.asked_for_maps() as answers:
        yield
    assert set(answers) == {(200, True)}, answers
    assert sum(answers.values()) >= 3
    assert running.service()["taskDefinition"] == before


@pytest.fixture
def restored(running):
    yield running
    running.restore()
    status, body = running.get_map()
    assert status == 200 and body[:4] == b"\x89PNG"


def give(running, **environment: str) -> None:
    """Put something into the environment of the service's tasks."""
    file = running.project.folder / SERVICES
    values = ", ".join(f'{name} = "{value}"' for name, value in environment.items())
    text, count = re.subn(r"(    memory +=)", rf"    environment = {{ {values} }}\n\1", file.read_text())
    assert count == 1
    file.write_text(text)


def rolled_back(answer) -> str:
    assert answer.code == 5, answer.out[-1500:] + answer.err[-3000:]
    assert "was not deployed" in answer.err
    return answer.err


def derived(running, registry, tag: str, *lines: str) -> str:
    """Push an image made from the one that runs; answers its name."""
    name = f"{running.pinned.partition('@')[0]}:{tag}"
    dockerfile = "\n".join((f"FROM {running.pinned}", *lines))
    made = subprocess.run(["docker", "build", "-t", name, "-"], input=dockerfile, text=True, capture_output=True,
                          env={"DOCKER_BUILDKIT": "0", "PATH": running.project.environment["PATH"]})
    assert made.returncode == 0, made.stderr
    pushed = subprocess.run(["docker", "--config", running.project.environment["DOCKER_CONFIG"], "push", name],
                            capture_output=True, text=True)
    assert pushed.returncode == 0, pushed.stderr
    return name


def test_an_image_that_ends_at_once(restored, registry):
    image = derived(restored, registry, "ends", 'ENTRYPOINT ["/bin/sh", "-c", "echo nothing to serve; exit 7"]')
    with nobody_notices(restored):
        said = rolled_back(restored.project.invoke("deploy", "--yes", "--image", image))
    assert "exit code 7" in said and "nothing to serve" in said


def test_a_wrong_database_password(restored):
    restored.write_secret(SERVICE, "db_password", "not-the-right-one-1")
    give(restored, NOTHING_TO_DO_WITH_IT="1")
    try:
        with nobody_notices(restored):
            said = rolled_back(restored.project.invoke("deploy", "--yes"))
    finally:
        restored.write_secret(SERVICE, "db_password", READER)
    assert "password" in said and "invoke service.run init-db" in said


def test_a_health_check_that_fails(restored):
    give(restored, DATACUBE_OWS_CFG="/ows/nothing.json")
    with nobody_notices(restored):
        said = rolled_back(restored.project.invoke("deploy", "--yes"))
    assert "/ows/nothing.json" in said


def test_a_digest_that_the_registry_does_not_have(restored):
    project = restored.project
    pins = project.folder / "workspaces" / "local.images.tfvars.json"
    pins.write_text(pins.read_text().replace(restored.pinned.partition("@")[2], NOWHERE))
    with nobody_notices(restored):
        project.must("plan")
        project.must("apply", "--yes")
        answer = project.invoke("service.wait")
    assert answer.code == 5 and "CannotPullContainerError" in answer.err and NOWHERE in answer.err


def test_an_image_that_is_nowhere_is_refused_before_anything_is_touched(running):
    before = running.service()["taskDefinition"]
    answer = running.project.invoke("deploy", "--yes", "--image", f"{running.pinned.partition('@')[0]}:never-pushed")
    assert answer.code in (1, 4) and "never-pushed" in answer.err
    assert running.service()["taskDefinition"] == before


def test_back_by_hand_to_the_image_before(restored):
    project, first = restored.project, restored.pinned
    configuration = project.folder / "image" / "ows_config" / "ows.json"
    text = configuration.read_text()
    try:
        configuration.write_text(text.replace('"title"', '"title" ', 1))
        project.must("docker.build")
        project.must("docker.push")
        deployed = project.must("deploy", "--yes")
        assert restored.pinned != first and "ranges" in deployed.err and "init-db" not in deployed.err
        with restored.asked_for_maps() as answers:
            project.must("service.rollback", "--yes")
        assert set(answers) == {(200, True)}
        assert restored.pinned == first
        definition = project.client("ecs").describe_task_definition(taskDefinition=restored.service()["taskDefinition"])
        assert definition["taskDefinition"]["containerDefinitions"][0]["image"] == first
        project.require_clean()
    finally:
        configuration.write_text(text)


def test_a_shell_in_the_task_and_its_log(running):
    answer = running.project.must("service.exec", "--command", "echo $CHAMBER_SERVICE")
    assert SERVICE in answer.out
    running.get_map()
    until(lambda: "GetMap" in running.project.must("logs.tail", "--since", "5m").out, 30)


def test_the_status_tells_what_runs(running):
    [service] = running.project.must("service.status", "--json").json["services"]
    assert (service["service"], service["desired"], service["running"], service["healthy_targets"]) == ("ows", 1, 1, 1)
    assert service["image"] == running.pinned
    assert docker("image", "inspect", service["image"]).returncode == 0
