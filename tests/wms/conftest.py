"""A real map service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import real_wms


@pytest.fixture(scope="session")
def wms(
    stand_ins: dict[str, str], tmp_path_factory: pytest.TempPathFactory, project_source: Path
) -> Iterator[real_wms.RealWms]:
    """datacube-ows with the project's sample scenes, in two layers."""
    with real_wms.serving(tmp_path_factory.mktemp("wms"), project_source) as running:
        yield running
