"""The page that `invoke wms.map` writes, opened in headless Chromium on a real map service."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from PIL import Image

from browser import DRAWN, shown


@pytest.fixture(scope="module")
def page(wms, bake) -> str:
    """The address of the written page, as the task prints it."""
    done = subprocess.run([sys.executable, "-m", "invoke", "wms.map", "--no-browser", "--url", wms.url], cwd=bake(),
                          text=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert re.fullmatch(r"file:///\S+/\.local/map/local\.html\n", done.stdout)
    return done.stdout.strip()


def colours_of_the_service(wms, style: str, time: str) -> set[tuple[int, int, int]]:
    """The same, asked from the service itself."""
    import io
    import urllib.request

    from owslib.wms import WebMapService

    layer = WebMapService(wms.url, version="1.3.0")["sample"]
    west, south, east, north = layer.boundingBoxWGS84
    address = (f"{wms.url}/?service=WMS&version=1.3.0&request=GetMap&layers=sample&styles={style}&time={time}&crs=EPSG:4326"
               f"&bbox={south},{west},{north},{east}&width=512&height=512&format=image/png&transparent=true")
    with urllib.request.urlopen(address, timeout=60) as answer, Image.open(io.BytesIO(answer.read())) as image:
        return {colour[:3] for count, colour in image.convert("RGBA").getcolors(512 * 512) if colour[3] == 255}


def test_it_shows_the_latest_map_of_the_first_layer(wms, page, browser, tmp_path):
    browser.open(page)
    browser.until(DRAWN)
    assert browser.run("document.querySelector('h1').innerText") == "Datacube WMS"
    assert browser.run("document.getElementById('time').value") == "2024-07-15"
    assert browser.run("[...document.querySelectorAll('#layers label')].map(l => l.innerText.trim())") == [
        "Sample island", "Red <b>ramp</b>"], "What a service says is text, never markup."
    colours = shown(browser, tmp_path / "map.png")
    there = colours_of_the_service(wms, "true_colour", "2024-07-15")
    assert len(colours) > 200 and len(colours & there) > 0.5 * len(colours), "These are not the data's colours."


def test_another_time_style_and_layer_are_drawn_and_the_legend_shown(wms, page, browser, tmp_path):
    browser.open(page)
    browser.until(DRAWN)
    winter = shown(browser, tmp_path / "winter.png")
    browser.run("document.getElementById('earlier').click()")
    browser.until(DRAWN)
    assert browser.run("document.getElementById('time').value") == "2024-01-15"
    assert browser.run("document.getElementById('earlier').disabled")
    summer = shown(browser, tmp_path / "summer.png")
    assert len(summer & winter) < 0.9 * len(summer)
    browser.run("(s => { s.value = 'brightness'; s.dispatchEvent(new Event('change')); })(document.getElementById('style'))")
    browser.until(DRAWN)
    assert all(max(colour) - min(colour) <= 2 for colour in shown(browser, tmp_path / "grey.png"))
    assert browser.run("document.getElementById('key').hidden")
    browser.run("document.querySelector('#layers input[value=sample_ramp]').click()")
    browser.until(DRAWN)
    browser.until("!document.getElementById('key').hidden && document.getElementById('key').naturalWidth > 100")
    assert len(shown(browser, tmp_path / "ramp.png")) > 50


def test_the_keyboard_is_enough(page, browser):
    browser.open(page)
    browser.until(DRAWN)
    focused = []
    for _ in range(12):
        browser.press("tab")
        focused.append(browser.run("document.activeElement.id || document.activeElement.value"))
    wanted = ["map", "sample", "earlier", "time", "style", "base"]
    assert [each for each in focused if each in wanted][: len(wanted)] == wanted
    browser.run("document.querySelector('#layers input').focus()")
    browser.press("down")
    browser.until(DRAWN)
    assert browser.run("document.querySelector('#layers input:checked').value") == "sample_ramp"


def test_on_a_phone_map_and_form_stand_one_above_the_other(page, browser, tmp_path):
    browser.open(page, width=500, height=800)  # Chromium makes no window smaller
    browser.until(DRAWN)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("document.querySelector('form').getBoundingClientRect().top"
                       " >= document.getElementById('map').getBoundingClientRect().bottom - 1")
    assert len(shown(browser, tmp_path / "phone.png")) > 100


def test_nobody_but_the_service_is_asked_before_somebody_wants_openstreetmap(wms, page, browser):
    browser.open(page)
    browser.until(DRAWN)
    asked = browser.asked()
    assert len(asked) > 2 and all(address.startswith(wms.url) for address in asked), asked
    browser.run("document.getElementById('base').click()")
    browser.until("document.querySelectorAll('img[src^=\"https://tile.openstreetmap.org/\"]').length > 0")


def test_without_the_service_it_shows_what_was_there_and_says_so(wms, page, browser):
    """OWS lets no page of another origin read its capabilities, unless told to: the copy that was written serves then."""
    browser.open(page)
    browser.until(DRAWN)
    assert wms.url in browser.run("document.getElementById('taken').innerText")
    with wms.without_database():
        browser.open(page)
        browser.until("document.getElementById('status').innerText.includes('invoke wms.smoke')", seconds=90)
        assert browser.run("document.querySelectorAll('#layers input').length") == 2


@pytest.mark.parametrize("address", ["", "?url=javascript:alert(1)"])
def test_the_page_by_itself_asks_for_an_address(browser, project_source, address):
    browser.open(f"{(project_source / 'tasks' / 'map' / 'index.html').as_uri()}{address}")
    browser.until("document.getElementById('status').innerText.includes('Which map service?')")
    assert browser.run("typeof L.version") == "string"
