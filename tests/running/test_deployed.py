"""From nothing to maps: what the issue calls done, on the deployment that all these tests share."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path

from browser import DRAWN, shown
from engine import docker
from running_project import ADMIN, MASTER, READER, SERVICE, fetch

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


def test_a_map_comes_through_the_load_balancer_and_shows_data(running):
    from PIL import Image

    status, body = running.get_map()
    assert status == 200
    opaque = sum(pixel[3] == 255 for pixel in Image.open(io.BytesIO(body)).convert("RGBA").getdata())
    assert opaque > 256 * 256 / 2


def test_the_deploy_ends_with_the_maps_address(running):
    assert f"Maps at {running.url}" in running.deployed.out
    assert "Deployed." in running.deployed.out and "sample.png" in running.deployed.out


def test_the_map_page_shows_the_deployed_maps(running, browser):
    browser.open(running.project.must("wms.map", "--no-browser").out.strip())
    browser.until(DRAWN)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert len(shown(browser, SCREENSHOTS / "deployed.png")) > 200


def test_the_service_runs_the_pushed_digest_and_nothing_else(running):
    assert running.pinned.partition("@")[2].startswith("sha256:") and running.pushed.json["image"] == running.pinned
    definition = running.project.client("ecs").describe_task_definition(taskDefinition=running.service()["taskDefinition"])
    assert [each["image"] for each in definition["taskDefinition"]["containerDefinitions"]] == [running.pinned]
    [task] = running.tasks()
    image = docker("inspect", "-f", "{{.Image}}", task).stdout.strip()
    assert running.pinned in docker("image", "inspect", "-f", "{{.RepoDigests}}", image).stdout


def test_a_plan_is_clean_and_a_second_deploy_changes_nothing(running):
    running.project.require_clean()
    again = running.project.must("deploy", "--yes")
    assert "Already deployed; nothing was changed." in again.out
    assert "init-db" not in again.err


def test_the_serving_role_may_only_read(running):
    assert running.secret(SERVICE, "db_username") == "datacube_wms_local"
    may = "select has_table_privilege('datacube_wms_local', 'ows.layer_ranges', '{}')"
    assert running.sql(may.format("select")) == "t"
    assert running.sql(may.format("insert")) == "f"
    powers = "select rolsuper or rolcreaterole or rolcreatedb from pg_roles where rolname = 'datacube_wms_local'"
    assert running.sql(powers) == "f"


def test_the_passwords_are_in_the_store_and_in_the_processes_and_nowhere_else(running):
    assert running.secret(ADMIN, "db_password") == MASTER and running.secret(SERVICE, "db_password") == READER
    [task] = running.tasks()
    inside = docker("exec", task, "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ").stdout  # the container itself has it
    assert f"DB_PASSWORD={READER}" in inside and MASTER not in inside
    places = {
        "docker history": docker("history", "--no-trunc", running.pinned).stdout,
        "docker inspect of the image": docker("image", "inspect", running.pinned).stdout,
        "docker inspect of the container": docker("inspect", task).stdout,
        "docker inspect of the jobs' containers": "\n".join(running.containers.of_jobs),
        "docker top": docker("top", task, "-eo", "pid,args").stdout,
        "the container's log": (lambda done: done.stdout + done.stderr)(docker("logs", task)),
        "what the deploy said": running.deployed.out + running.deployed.err + running.pushed.out + running.pushed.err,
        "the task definitions": json.dumps(definitions(running)),
        "the log groups": "\n".join(logged(running)),
        "ps": "\n".join(running.watch.found),
    }
    assert [name for name, text in places.items() if READER in text or MASTER in text] == []
    assert running.watch.looks > 100 and len(running.containers.of_jobs) == 5


def test_no_layer_holds_a_password(running):
    saved = subprocess.Popen(["docker", "save", running.pinned], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=saved.stdout, mode="r|") as image:
        for member in image:
            content = image.extractfile(member)
            if content is None:
                continue
            found = overlapping(content)
            assert not found, member.name
    assert saved.wait() == 0


def test_no_file_of_the_project_holds_a_password(running):
    folder = running.project.folder
    kept = folder / ".local" / "aws"  # the embedded account is the store
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
             and kept not in path.parents and ".terraform" not in path.parts]
    contents = {path: path.read_bytes() for path in files}
    assert [path for path, content in contents.items() if READER.encode() in content or MASTER.encode() in content] == []


def test_nothing_changed_is_neither_built_nor_pushed(running):
    assert "already built" in running.project.must("docker.build").out
    pushed = running.project.must("docker.push", "--json").json
    assert pushed["pushed"] is False and pushed["changed"] is False


def test_a_changed_configuration_rebuilds_only_the_last_layers_and_leaves_prod_alone(running):
    project = running.project
    project.must("workspace.add", "prod")
    prod = project.folder / "workspaces" / "prod.images.tfvars.json"
    prod.write_text((project.folder / "workspaces" / "local.images.tfvars.json").read_text())
    before = prod.read_text()
    configuration = project.folder / "image" / "ows_config" / "ows.json"
    text = configuration.read_text()
    try:
        configuration.write_text(text + "\n")
        project.must("docker.build")
        pushed = project.must("docker.push", "--json").json
        assert pushed["pushed"] is True and pushed["image"] != running.pushed.json["image"]
        old, new = (layers(image) for image in (running.pushed.json["image"], pushed["image"]))
        assert len(old) == len(new) and old[:-1] == new[:-1] and old[-1] != new[-1]
        assert prod.read_text() == before
    finally:
        configuration.write_text(text)
        prod.unlink()
        (project.folder / "workspaces" / "prod.tfvars").unlink()
        running.restore()


def test_owslib_reads_the_capabilities_through_the_load_balancer(running):
    from owslib.wms import WebMapService

    service = WebMapService(running.url, version="1.3.0")
    assert "sample" in service.contents
    assert all(link["url"].startswith(running.url) for link in service.getOperationByName("GetMap").methods)
    box = service["sample"].boundingBoxWGS84
    answer = service.getmap(layers=["sample"], srs="EPSG:4326", bbox=box, size=(128, 128), format="image/png")
    assert answer.read()[:4] == b"\x89PNG"


def test_tiles_may_be_kept_by_a_cache(running):
    import urllib.request

    url = running.url
    with urllib.request.urlopen(url + "?service=WMS&version=1.3.0&request=GetCapabilities") as answer:
        assert "max-age=" in answer.headers["Cache-Control"]


def test_the_metrics_are_not_public(running):
    assert fetch(running.url + "metrics")[0] in (403, 404)


def definitions(running) -> list[dict]:
    ecs = running.project.client("ecs")
    return [ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
            for arn in ecs.list_task_definitions()["taskDefinitionArns"]]


def logged(running) -> list[str]:
    logs = running.project.client("logs")
    return [event["message"] for group in logs.describe_log_groups()["logGroups"]
            for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]]


def layers(image: str) -> list[str]:
    return json.loads(docker("image", "inspect", image).stdout)[0]["RootFS"]["Layers"]


def overlapping(content) -> bool:
    """Whether a password is in a stream, compressed or not; read in pieces that overlap by a password's length."""
    start = content.read(2)
    stream = gzip.GzipFile(fileobj=_Again(start, content)) if start == b"\x1f\x8b" else _Again(start, content)
    kept = b""
    while piece := stream.read(1 << 20):
        if READER.encode() in kept + piece or MASTER.encode() in kept + piece:
            return True
        kept = piece[-64:]
    return False


class _Again:
    """A stream with two bytes put back."""

    def __init__(self, start: bytes, rest):
        self.start, self.rest = start, rest

    def read(self, size: int = -1) -> bytes:
        start, self.start = self.start, b""
        return start + self.rest.read(size - len(start) if size > 0 else size)
