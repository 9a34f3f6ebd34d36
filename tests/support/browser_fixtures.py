"""A real browser to look at a page with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import browser as browsers

INSTALL_BROWSER = "Install Chromium and its driver; on Debian: apt-get install chromium chromium-driver"


@pytest.fixture
def browser(need: Callable[..., str], tmp_path: Path) -> Iterator[browsers.Browser]:
    """Chromium with an empty profile; a session of this test's own."""
    driver, chromium = need("chromedriver", INSTALL_BROWSER), need("chromium", INSTALL_BROWSER)
    with browsers.started(driver, chromium, tmp_path / "profile") as started:
        yield started
