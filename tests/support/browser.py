"""Headless Chromium, driven through Debian's chromedriver by the WebDriver protocol: just what a page's test needs."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Without these Chromium looks for updates and Google's hosts at every start; a root user (CI) has no sandbox.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip
DRAWN = """document.getElementById('map').getAttribute('aria-busy') === 'false'
    && [...document.querySelectorAll('.leaflet-tile')].every(tile => getComputedStyle(tile).opacity === '1')"""
EMPTY = (232, 236, 239)  # the page's own colour where there is no map
KEYS = {"tab": "\ue004", "down": "\ue015", "space": " "}


@dataclass(frozen=True)
class Browser:
    """A session with one window."""

    session: str

    def open(self, url: str, width: int = 1200, height: int = 800) -> None:
        self._post("/window/rect", {"width": width, "height": height})
        self._post("/url", {"url": url})

    def run(self, script: str):
        """The value of a JavaScript expression in the page."""
        return self._post("/execute/sync", {"script": f"return {script}", "args": []})

    def until(self, script: str, seconds: float = 30):
        """Wait until the expression is true."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < deadline, f"never true: {script}\n{self.text()}"
            time.sleep(0.1)
        return found

    def text(self) -> str:
        return self.run("document.body.innerText")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, as a person without a mouse does."""
        actions = [{"type": step, "value": KEYS.get(key, key)} for key in keys for step in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def screenshot(self, file: Path) -> Path:
        with urllib.request.urlopen(f"{self.session}/screenshot", timeout=60) as answer:
            file.write_bytes(base64.b64decode(json.load(answer)["value"]))
        return file

    def asked(self) -> list[str]:
        """Every address on the network that the page asked for, or tried to."""
        entries = self._post("/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if address.startswith("http")]

    def _post(self, path: str, body: dict):
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.session + path, json.dumps(body).encode(), kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None


@contextmanager
def started(chromedriver: str, chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile of its own, until the block ends."""
    driver = subprocess.Popen([chromedriver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        home = f"http://127.0.0.1:{port}/session"
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"performance": "ALL"},
                  "goog:chromeOptions": {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}}
        session = Browser(home)._post("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        yield Browser(f"{home}/{session}")
        request = urllib.request.Request(f"{home}/{session}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()
    finally:
        driver.terminate()
        driver.wait(30)
        driver.stdout.close()


def shown(browser: Browser, file: Path) -> set[tuple[int, int, int]]:
    """The colours on the map of `invoke wms.map`, its controls at the edges left out; the screenshot stays in the file."""
    box = browser.run("(r => [r.left, r.top, r.right, r.bottom])(document.getElementById('map').getBoundingClientRect())")
    from PIL import Image

    with Image.open(browser.screenshot(file)) as image:
        part = image.convert("RGB").crop((box[0] + 60, box[1] + 10, box[2] - 10, box[3] - 60))
    return {colour for count, colour in part.getcolors(part.width * part.height) if colour != EMPTY}
