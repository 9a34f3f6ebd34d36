"""A real map service, and a real browser to look at it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import browser as browsers
import real_wms

INSTALL_BROWSER = "Install Chromium and its driver; on Debian: apt-get install chromium chromium-driver"


@pytest.fixture(scope="session")
def wms(
    stand_ins: dict[str, str], tmp_path_factory: pytest.TempPathFactory, project_source: Path
) -> Iterator[real_wms.RealWms]:
    """datacube-ows with the project's sample scenes, in two layers."""
    with real_wms.serving(tmp_path_factory.mktemp("wms"), project_source) as running:
        yield running


@pytest.fixture
def browser(need: Callable[..., str], tmp_path: Path) -> Iterator[browsers.Browser]:
    """Chromium with an empty profile; a session of this test's own."""
    driver, chromium = need("chromedriver", INSTALL_BROWSER), need("chromium", INSTALL_BROWSER)
    with browsers.started(driver, chromium, tmp_path / "profile") as started:
        yield started
