"""A real datacube-ows over a real PostGIS, in containers of the public images, with the project's sample scenes indexed.

As short as it can be: no AWS, no chamber, none of the project's own jobs (`tests/image` is for those). What is tested
on it is what a client sees: `invoke wms.smoke`, the map page, OWSLib.
"""

from __future__ import annotations

import copy
import json
import shutil
import socket
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import stand_ins
from engine import docker

OWS, POSTGIS = stand_ins.OWS.image, stand_ins.POSTGIS.image
LABEL = "datacube-wms-tests=real-wms"
PASSWORD = "of-no-worth"

# One process for all steps: each command of its own would import everything anew.
INDEX = """\
import glob
from datacube.scripts.cli_app import cli
from datacube_ows.update_ranges import main as update

cli.main(["system", "init"], standalone_mode=False)
update.main(["--schema"], standalone_mode=False)
cli.main(["product", "add", "/ows/products/sample.yaml"], standalone_mode=False)
cli.main(["dataset", "add", *glob.glob("/ows/sample/*/*.yaml")], standalone_mode=False)
update.main(["--views"], standalone_mode=False)
update.main([], standalone_mode=False)
"""


@dataclass(frozen=True)
class RealWms:
    """A map service that runs.

    url   what clients ask, and what it announces
    data  the folder of its scenes on this machine: what is taken away there cannot be read any more
    """

    url: str
    data: Path
    database: str
    container: str

    @contextmanager
    def without_data(self) -> Iterator[None]:
        """Meanwhile no scene can be read."""
        hidden = self.data.with_name("hidden")
        hidden.mkdir()
        for scene in list(self.data.iterdir()):
            scene.rename(hidden / scene.name)
        try:
            yield
        finally:
            for scene in list(hidden.iterdir()):
                scene.rename(self.data / scene.name)
            hidden.rmdir()

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Meanwhile the database takes no connection. Not stopped: its address would be another afterwards.

        OWS is restarted then: a worker that asked in between loses its dynamic layers for a while.
        """
        self._sql("alter database odc with allow_connections false")
        self._sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'odc'")
        try:
            yield
        finally:
            self._sql("alter database odc with allow_connections true")
            docker("restart", self.container)
            _until(lambda: _answers(f"{self.url}/ping"), "the map service")

    def _sql(self, statement: str) -> None:
        docker("exec", self.database, "psql", "-U", "postgres", "-d", "postgres", "-qc", statement)


@contextmanager
def serving(folder: Path, project: Path) -> Iterator[RealWms]:
    """Run the service until the block ends. About 40 s."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, name = f"http://127.0.0.1:{port}", f"real-wms-{uuid.uuid4().hex[:8]}"
    data = folder / "sample"
    shutil.copytree(project / "image" / "sample", data)
    (folder / "ows.json").write_text(json.dumps(configuration(project, url)))
    for path in (folder, *folder.rglob("*")):  # the container's user is another one
        path.chmod(0o755 if path.is_dir() else 0o644)
    database, wms = f"{name}-db", f"{name}-ows"
    try:
        docker("run", "-d", "--name", database, "--label", LABEL, "-e", f"POSTGRES_PASSWORD={PASSWORD}",
               "-e", "POSTGRES_DB=odc", POSTGIS)
        address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        host = docker("inspect", "--format", address, database).stdout.strip()
        ready = ("exec", database, "pg_isready", "-h", host, "-U", "postgres", "-d", "odc")
        _until(lambda: docker(*ready, check=False).returncode == 0, "the database")
        given = ["--label", LABEL, "-v", f"{folder}/ows.json:/ows/ows.json:ro", "-v", f"{data}:/ows/sample:ro",
                 "-v", f"{project}/image/products:/ows/products:ro", "-e", "DATACUBE_OWS_CFG=/ows/ows.json",
                 "-e", f"DB_HOSTNAME={host}", "-e", "DB_DATABASE=odc", "-e", "DB_USERNAME=postgres",
                 "-e", f"DB_PASSWORD={PASSWORD}"]  # fmt: skip
        docker("run", "--rm", *given, OWS, "python", "-c", INDEX)
        docker("run", "-d", "--name", wms, "-p", f"127.0.0.1:{port}:8000", *given, OWS)
        _until(lambda: _answers(f"{url}/ping"), "the map service")
        yield RealWms(url, data, database, wms)
    finally:
        docker("rm", "--force", "--volumes", wms, database, check=False)


def configuration(project: Path, url: str) -> dict:
    """The project's own, and a second layer inside a folder, whose default style has a legend."""
    folder = project / "image" / "ows_config"
    made = json.loads((folder / "ows.json").read_text())
    sample = json.loads((folder / "layers" / "sample.json").read_text())
    ramp = copy.deepcopy(sample) | {"name": "sample_ramp", "title": "Red <b>ramp</b>"}
    ramp["styling"] = {"default_style": "ramp", "styles": [{
        "name": "ramp", "title": "Ramp", "abstract": "The red band", "needed_bands": ["red"], "range": [0, 3000],
        "mpl_ramp": "viridis", "legend": {"begin": "0", "end": "3000"},
        "index_function": {"function": "datacube_ows.band_utils.single_band", "mapped_bands": True,
                           "kwargs": {"band": "red"}}}]}  # fmt: skip
    made["global"]["allowed_urls"] = [url]
    made["layers"] = [sample, {"title": "More", "abstract": "A folder", "layers": [ramp]}]
    return made


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _until(true, what: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come up within {seconds} s"
        time.sleep(0.3)
