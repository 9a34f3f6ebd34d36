"""`invoke wms.smoke` against a real service, well and broken, and what OWSLib, an independent client, makes of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from owslib.wms import WebMapService
from PIL import Image

from tasks.core import maps, wms_capabilities


@pytest.fixture(scope="module")
def project(bake) -> Path:
    return bake()


def smoke(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "invoke", "wms.smoke", *words], cwd=project, text=True, capture_output=True,
                          timeout=120, stdin=subprocess.DEVNULL)


def test_every_layer_is_drawn_and_its_map_is_kept(wms, project):
    done = smoke(project, "--url", wms.url, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["url"], found["healthy"], found["workspace"]) == (wms.url, True, "local")
    assert [layer["layer"] for layer in found["layers"]] == ["sample", "sample_ramp"]
    for layer in found["layers"]:
        with Image.open(layer["png"]) as image:
            assert image.size == (256, 256) and image.format == "PNG"
            assert sum(1 for value in image.convert("RGBA").getchannel("A").tobytes() if value == 255) == layer["opaque"]
        assert 30_000 < layer["opaque"] <= layer["total"] == 65536
        assert Path(layer["png"]).parent == project / ".local" / "maps" / "local"


def test_a_person_reads_a_table_with_the_file_of_each_map(wms, project, tmp_path):
    done = smoke(project, "--url", wms.url, "--layer", "sample", "--folder", str(tmp_path / "here"))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / "here" / "sample.png") in done.stdout and "Every layer is drawn." in done.stdout
    assert [file.name for file in (tmp_path / "here").iterdir()] == ["sample.png"]


def test_a_layer_that_is_not_served_is_named(wms, project):
    done = smoke(project, "--url", wms.url, "--layer", "sample", "--layer", "forgotten")
    assert done.returncode == 5
    assert f"1 of 2 layers at {wms.url} show no map: forgotten." in done.stderr
    assert "GetCapabilities does not list it; it lists sample, sample_ramp" in done.stdout


def test_scenes_that_cannot_be_read_give_a_blank_map_which_is_a_failure(wms, tmp_path):
    assert maps.smoke(wms.url, ["sample"], tmp_path)[0].ok
    with wms.without_data():
        [result] = maps.smoke(wms.url, ["sample"], tmp_path)
    assert (result.ok, result.opaque, result.mend) == (False, 0, "logs.tail")
    assert result.reason.startswith("the map is blank")
    with Image.open(result.png) as kept:
        assert kept.convert("RGBA").getbbox() is None, "The earlier run's map was left."


def test_a_layer_far_larger_than_its_data_is_found_by_looking_closer(wms):
    crs, (x0, y0, x1, y1) = maps.capabilities(wms.url).layer("sample").window
    wide = wms_capabilities.Layer("sample", (crs, (x0 - 12e6, y0 - 3e6, x1 + 1e6, y1 + 11e6)))
    assert maps._search(wms.url, wide, 60).shows_data


def test_owslib_reads_the_capabilities_and_fetches_a_map(wms):
    client = WebMapService(wms.url, version="1.3.0")
    assert set(client.contents) >= {"sample", "sample_ramp"}
    layer = client["sample"]
    assert layer.timepositions == ["2024-01-15", "2024-07-15"] and "true_colour" in layer.styles
    west, south, east, north = layer.boundingBoxWGS84
    answer = client.getmap(layers=["sample"], styles=["true_colour"], srs="EPSG:4326", bbox=(west, south, east, north),
                           size=(256, 256), format="image/png", transparent=True, time="2024-07-15")
    with Image.open(io.BytesIO(answer.read())) as image:
        opaque = image.convert("RGBA").getchannel("A").histogram()[255]
    assert opaque > 30_000
    assert client.getOperationByName("GetMap").methods[0]["url"].startswith(f"{wms.url}/wms")


def test_a_service_without_its_database_is_said_to_be_unwell(wms, project):
    with wms.without_database():
        done = smoke(project, "--url", wms.url)
    assert done.returncode == 5, done.stdout
    assert "is not well: GetCapabilities answered 500" in done.stderr or "lists no layer" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert smoke(project, "--url", wms.url).returncode == 0
