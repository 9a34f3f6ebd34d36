"""A map service that fails in every way it can, played by a small server with what a real datacube-ows 1.9.14 answered.

`tests/support/recorded_wms` holds those answers: capabilities, a map, the blank map that it sends when a scene's files
cannot be read, and its exceptions. `tests/wms` asks the real one; hanging, dripping or lying it cannot be made to do.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tasks.core import map_page, maps, pictures, web, wms_capabilities
from tasks.core.console import BadInput, WentWrong

RECORDED = Path(__file__).resolve().parents[2] / "support" / "recorded_wms"
CAPABILITIES = (RECORDED / "capabilities.xml").read_bytes()
MAP, BLANK = (RECORDED / "map.png").read_bytes(), (RECORDED / "blank.png").read_bytes()
XML, PNG = "application/xml", "image/png"


@dataclass
class Wms:
    """``answer`` gives (status, content type, body) for a request's parameters; ``asked`` holds them."""

    url: str
    answer: Callable[[dict], tuple[int, str, bytes]] = lambda parameters: (200, PNG, MAP)
    capabilities: tuple[int, str, bytes] = (200, XML, CAPABILITIES)
    asked: list[dict] = field(default_factory=list)
    drip: bool = False


@pytest.fixture
def wms() -> Iterator[Wms]:
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parameters = {name.lower(): values[0] for name, values in parse_qs(urlsplit(self.path).query,
                                                                               keep_blank_values=True).items()}
            played.asked.append({**parameters, "path": urlsplit(self.path).path})
            status, kind, body = (played.capabilities if parameters.get("request") == "GetCapabilities"
                                  else played.answer(parameters))
            if status == 0:  # hang
                return ended.wait(20)
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", kind)
            elif kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if played.drip and parameters.get("request") == "GetMap":
                for byte in body:
                    if ended.wait(0.1):
                        return None
                    try:
                        self.wfile.write(bytes([byte]))
                    except OSError:
                        return None
                return None
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    played = Wms(f"http://127.0.0.1:{server.server_port}/")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield played
    ended.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(web, "PATIENCE", 0.01)


def png(paint: Callable[[Image.Image], None] = lambda image: None, mode: str = "RGBA", size=(256, 256), base=0) -> bytes:
    image = Image.new(mode, size, base)
    paint(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


FILL = png(lambda image: image.paste((40, 90, 140, 160), (100, 100, 140, 140)))


def test_each_layer_is_asked_for_at_its_own_extent_and_its_defaults(wms, tmp_path):
    first, second = maps.smoke(wms.url, None, tmp_path)
    assert (first.layer, second.layer) == ("ows_demo", "ows_second")
    assert first.ok and (first.opaque, first.total, first.reason, first.mend) == (62582, 65536, "", "")
    assert first.png.read_bytes() == MAP and first.png == tmp_path / "ows_demo.png"
    asked = wms.asked[1]
    assert asked["bbox"] == "16559046.319333067,-4221292.721246031,16622892.274883313,-4157160.5849993387"
    assert (asked["crs"], asked["styles"], asked["transparent"], asked["version"]) == ("EPSG:3857", "", "true", "1.3.0")
    assert "time" not in asked and len(wms.asked) == 3


def test_what_the_address_already_says_is_kept(wms, tmp_path):
    assert maps.smoke(f"{wms.url}base/wms?map=a%20b&token=", ["ows_demo"], tmp_path)[0].ok
    assert all((each["path"], each["map"], each["token"]) == ("/base/wms", "a b", "") for each in wms.asked)


FAILURES = {
    "blank": ((200, PNG, BLANK), "the map is blank: its files are not there or cannot be read"),
    "only footprints": ((200, PNG, FILL), "it shows footprints but no data"),
    "a background instead of a map": ((200, PNG, png(mode="RGB", base=(255, 255, 255))), "the map is blank"),
    "exception with 200": ((200, XML, (RECORDED / "wrong_time.xml").read_bytes()),
                           "GetMap answered application/xml, not image/png: InvalidDimensionValue Time dimension value "
                           "'2023-01-01' not valid for this layer"),
    "exception with 400": ((400, XML, (RECORDED / "wrong_time.xml").read_bytes()),
                           "GetMap answered 400: InvalidDimensionValue Time dimension value"),
    "database down": ((500, XML, (RECORDED / "database_down.xml").read_bytes()),
                      "GetMap answered 500: Internal server error"),
    "balancer without targets": ((503, "text/html", b"<h1>503 Service Temporarily Unavailable</h1>"),
                                 "GetMap answered 503: 503 Service Temporarily Unavailable"),
    "web page": ((200, "text/html; charset=utf-8", b"<title>Hello</title><p>Sign  in"),
                 "GetMap answered text/html, not image/png: Hello Sign in"),
    "no type": ((200, "", MAP), "GetMap answered no type, not image/png"),
    "another picture": ((200, "image/jpeg", b"\xff\xd8"), "GetMap answered image/jpeg, not image/png"),
    "half a picture": ((200, PNG, MAP[:3000]), "GetMap answered a damaged PNG"),
    "no picture": ((200, PNG, b"hello"), "GetMap answered a damaged PNG"),
    "empty": ((200, PNG, b""), "GetMap answered a damaged PNG"),
    "too small": ((200, PNG, png(size=(1, 1))), "GetMap answered a picture of 1×1 pixels, not 256×256"),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_what_is_no_map_is_one_sentence(wms, tmp_path, failure):
    answer, sentence = FAILURES[failure]
    (tmp_path / "ows_demo.png").write_bytes(MAP)  # of an earlier run
    wms.answer = lambda parameters: answer
    [result] = maps.smoke(wms.url, ["ows_demo"], tmp_path)
    assert not result.ok and result.reason.startswith(sentence), result.reason
    assert "\n" not in result.reason and result.mend == "logs.tail" and len(wms.asked) <= 13
    assert (result.png is None) == (not (tmp_path / "ows_demo.png").exists())
    assert result.png is None or result.png.read_bytes() != MAP


def test_one_bad_layer_does_not_hide_the_others(wms, tmp_path):
    wms.answer = lambda parameters: (200, PNG, BLANK if parameters["layers"] == "ows_demo" else MAP)
    results = maps.smoke(wms.url, ["ows_demo", "absent", "ows_second", "ows_second"], tmp_path)
    found = {result.layer: result.ok for result in results}
    assert found == {"ows_demo": False, "absent": False, "ows_second": True} and len(results) == 3
    assert results[1].reason == "GetCapabilities does not list it; it lists ows_demo, ows_second"
    assert results[1].mend == "service.run ranges"


def test_a_layer_that_hangs_ends_in_time_and_the_rest_is_not_waited_for(wms, tmp_path):
    wms.answer = lambda parameters: (0, "", b"")
    started = time.monotonic()
    results = maps.smoke(wms.url, ["ows_demo", "ows_second", "third", "fourth"], tmp_path, timeout=0.4)
    assert time.monotonic() - started < 5
    assert results[0].reason == "no answer: it said nothing more within 0.4 s" and results[0].mend == "service.status"
    assert [result.ok for result in results] == [False] * 4
    assert results[3].reason.startswith(("GetCapabilities does not list it", "not asked: the service stopped answering"))


def test_a_map_that_drips_ends_in_time(wms, tmp_path):
    wms.drip = True
    started = time.monotonic()
    [result] = maps.smoke(wms.url, ["ows_demo"], tmp_path, timeout=0.5)
    assert time.monotonic() - started < 5 and result.reason == "no answer: it said nothing more within 0.5 s"


def test_a_balancer_that_changes_its_targets_is_asked_again(wms, tmp_path):
    answers = iter([(502, "text/html", b""), (503, "text/html", b""), (200, PNG, MAP)])
    wms.answer = lambda parameters: next(answers)
    assert maps.smoke(wms.url, ["ows_demo"], tmp_path)[0].ok


def test_data_in_a_corner_of_a_large_extent_is_found(wms, tmp_path):
    """From afar nothing can be seen; in the ninth where it lies it can."""

    def answer(parameters):
        x0, y0, x1, y1 = map(float, parameters["bbox"].split(","))
        near = x1 - x0 < 30_000 and x0 < 16559046.4 and y1 > -4157161
        return 200, PNG, MAP if near else BLANK

    wms.answer = answer
    [result] = maps.smoke(wms.url, ["ows_demo"], tmp_path)
    assert result.ok and result.png.read_bytes() == MAP


def test_one_opaque_colour_down_to_the_last_step_is_data(wms, tmp_path):
    wms.answer = lambda parameters: (200, PNG, png(base=(0, 90, 200, 255)))
    [result] = maps.smoke(wms.url, ["ows_demo"], tmp_path)
    assert (result.ok, result.opaque, len(wms.asked)) == (True, 65536, 1 + 1 + maps.DEPTH)


@pytest.mark.parametrize(("capabilities", "sentence"), [
    ((500, XML, (RECORDED / "database_down.xml").read_bytes()),
     "is not well: GetCapabilities answered 500: Internal server error."),
    ((404, "text/html", b"<title>404 Not Found</title>"), "is not well: GetCapabilities answered 404: 404 Not Found."),
    ((200, "text/html", b"<html><body>Welcome"), "is no WMS: GetCapabilities answered no valid XML ("),
    ((200, XML, (RECORDED / "wrong_time.xml").read_bytes()), "is no WMS: GetCapabilities answered an exception: InvalidDim"),
    ((200, XML, b"<WMT_MS_Capabilities version='1.1.1'/>"), "a document WMT_MS_Capabilities, not WMS_Capabilities"),
    ((200, XML, b"<WMS_Capabilities/>"), "answers, but it lists no layer: no product is indexed, or no ranges are made."),
    ((0, "", b""), "does not answer: it said nothing more within 0.5 s."),
])  # fmt: skip
def test_a_service_that_is_none_is_one_sentence(wms, tmp_path, capabilities, sentence):
    wms.capabilities = capabilities
    with pytest.raises(WentWrong) as raised:
        maps.smoke(wms.url, None, tmp_path, timeout=0.5)
    assert sentence in raised.value.message and wms.url in raised.value.message and "\n" not in raised.value.message


def test_named_layers_of_an_empty_service_are_each_missing(wms, tmp_path):
    wms.capabilities = (200, XML, b"<WMS_Capabilities/>")
    [result] = maps.smoke(wms.url, ["ows_demo"], tmp_path)
    assert result.reason == "GetCapabilities does not list it; it lists no layer at all"


@pytest.mark.parametrize(("url", "sentence"), [
    ("http://127.0.0.1:1/", "nothing listens there"),
    ("http://name.invalid/", "does not answer: "),
])
def test_an_address_where_nobody_is(tmp_path, url, sentence):
    with pytest.raises(WentWrong, match=sentence):
        maps.smoke(url, None, tmp_path, timeout=5)


def test_a_redirect_is_followed_but_never_to_a_file(wms, tmp_path):
    wms.capabilities = (302, "file:///etc/passwd", b"")
    with pytest.raises(WentWrong):
        maps.smoke(wms.url, None, tmp_path)
    wms.answer = lambda parameters: (200, PNG, MAP) if "moved" in parameters else (302, f"{wms.url}elsewhere?moved=1", b"")
    wms.capabilities = (200, XML, CAPABILITIES)
    assert maps.smoke(wms.url, ["ows_demo"], tmp_path)[0].ok


@pytest.mark.parametrize("url", ["", "maps.example.com", "ftp://maps.example.com/", "file:///etc/passwd", "http://",
                                 "http:///wms", "http://host:port/", "http://host:99999/", "https://a b/",
                                 "https://host/\nHost: x", "https://me:secret@host/", "javascript:alert(1)",
                                 'http://host/"><script>'])  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_a_password(url):
    with pytest.raises(BadInput) as raised:
        web.check_url(url)
    assert "secret" not in raised.value.message


def test_names_of_layers_never_lead_out_of_the_folder():
    names = ["../../etc/passwd", "a/b", "a_b", "ns:layer", ".hidden", "ö", "x" * 300, "plain-1.2"]
    files = [maps.file_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(Path(file).name == file and not file.startswith(".") and len(file) < 130 for file in files)
    assert files[-1] == "plain-1.2.png"


def test_the_layers_of_the_configuration_in_folders_and_includes(tmp_path):
    folder = tmp_path / "image" / "ows_config"
    (folder / "more").mkdir(parents=True)
    assert maps.layers_configured(tmp_path) == []
    (folder / "ows.json").write_text(json.dumps({"global": {}, "layers": [
        {"name": "one", "styling": {"styles": [{"name": "not_a_layer"}]}},
        {"title": "Folder", "layers": [{"include": "more/two.json", "type": "json"},
                                       {"include": "configuration.layers", "type": "python"}]},
        {"include": "more/list.json"}]}))
    inner = {"title": "In", "layers": [{"include": "three.json"}, {"name": "two"}]}
    (folder / "more" / "two.json").write_text(json.dumps(inner))
    (folder / "more" / "three.json").write_text(json.dumps({"name": "three"}))
    (folder / "more" / "list.json").write_text(json.dumps([{"name": "four"}, {"name": "one"}]))
    assert maps.layers_configured(tmp_path) == ["one", "three", "two", "four"]
    (folder / "more" / "three.json").write_text(json.dumps({"include": "two.json"}))
    with pytest.raises(BadInput, match="three.json includes two.json, which includes it in turn"):
        maps.layers_configured(tmp_path)
    (folder / "more" / "three.json").unlink()
    with pytest.raises(BadInput, match="three.json cannot be read: No such file"):
        maps.layers_configured(tmp_path)


def test_the_projects_own_configuration_names_its_layers(project_source):
    assert maps.layers_configured(project_source) == ["sample"]


def layer(text: str) -> wms_capabilities.Layer:
    document = f"<WMS_Capabilities xmlns='http://www.opengis.net/wms'><Capability>{text}</Capability></WMS_Capabilities>"
    return wms_capabilities.parse(document.encode()).layers[0]


GEOGRAPHIC = ("<EX_GeographicBoundingBox><westBoundLongitude>-180</westBoundLongitude><eastBoundLongitude>180"
              "</eastBoundLongitude><southBoundLatitude>-90</southBoundLatitude><northBoundLatitude>90</northBoundLatitude>"
              "</EX_GeographicBoundingBox>")


def test_a_folder_hands_its_crs_and_its_box_down():
    crs, box = layer(f"<Layer><CRS>EPSG:3857</CRS>{GEOGRAPHIC}<Layer><Name>x</Name></Layer></Layer>").window
    assert crs == "EPSG:3857" and max(map(abs, box)) < 20_037_509


def test_latitude_comes_first_on_the_wire_only(wms, tmp_path):
    text = "<Layer><Name>x</Name><BoundingBox CRS='EPSG:4326' minx='-40' miny='140' maxx='-30' maxy='160'/></Layer>"
    assert layer(text).window == ("EPSG:4326", (140.0, -40.0, 160.0, -30.0))
    wms.capabilities = (200, XML, f"<WMS_Capabilities xmlns='http://www.opengis.net/wms'><Capability>{text}</Capability>"
                                  "</WMS_Capabilities>".encode())
    assert maps.smoke(wms.url, None, tmp_path)[0].ok
    assert wms.asked[-1]["bbox"] == "-40.0,140.0,-30.0,160.0"


@pytest.mark.parametrize("box", ["minx='1' miny='1' maxx='1' maxy='2'", "minx='0' miny='1' maxx='inf' maxy='2'", "minx='a'"])
def test_a_box_that_spans_nothing_is_none(box):
    text = f"<Layer><Name>x</Name><BoundingBox CRS='EPSG:3857' {box}/></Layer>"
    assert layer(text).window is None


def test_few_pixels_are_found_wherever_they_are():
    for place in ((0, 0), (255, 255), (3, 250)):
        picture = pictures.look(png(lambda image, place=place: image.putpixel(place, (1, 2, 3, 255))), (256, 256))
        assert (picture.opaque, picture.colours) == (1, 1)
        assert [(int(x * 256), int(y * 256)) for x, y in picture.points] == [place]


def test_the_page_stands_alone_and_nothing_of_the_service_becomes_markup(project_source):
    hostile = CAPABILITIES.replace(b"Ramp", b"</script><script>alert(1)</script>")
    page = map_page.render(project_source, "A </title><b>", "http://host/?a=</script>", hostile)
    assert page.count("</script>") == 3 and "alert(1)</script>" not in page
    assert "<title>A &lt;/title&gt;&lt;b&gt;</title>" in page
    assert 'src="' not in page and "<link rel=\"stylesheet\"" not in page and page.count("Leaflet 1.9.4") >= 1
    told = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert told["capabilities"] == hostile.decode() and told["url"] == "http://host/?a=</script>"


def test_the_page_has_no_address_of_others_but_openstreetmaps(project_source):
    source = (project_source / "tasks" / "map" / "index.html").read_text()
    hosts = set(re.findall(r"https?://([\w.-]+\.\w+)", source))
    assert hosts == {"maps.example.com", "tile.openstreetmap.org", "www.openstreetmap.org", "www.w3.org"}
    assert len(source.splitlines()) < 250
    assert "BSD 2-Clause" in (project_source / "tasks" / "map" / "leaflet" / "LICENSE").read_text()
