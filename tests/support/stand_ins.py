"""The public images that tests build on, under their public names: pulled where that works, built here where it does not.

What is built follows a recipe in tests/stand_ins and says so by a label, which holds a hash of the recipe: a changed one is
built again, an unchanged one costs one question to the engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine import Missing, docker

TESTS = Path(__file__).resolve().parent.parent
RECIPES = TESTS / "stand_ins"
LABEL = "stand-in.recipe"
SECONDS_TO_BUILD = 900


@dataclass(frozen=True)
class StandIn:
    """One image that has to be there.

    repository  its public name
    version     its tag, which is also the version of what is inside
    recipe      the folder below tests/stand_ins: prepare.sh makes what the Dockerfile beside it copies
    tools       what prepare.sh calls, with the Debian package (or place) that has it
    also        files outside the recipe's folder that go into the image
    """

    repository: str
    version: str
    recipe: str
    tools: tuple[tuple[str, str], ...]
    also: tuple[Path, ...] = ()

    @property
    def image(self) -> str:
        return f"{self.repository}:{self.version}"

    def recipe_hash(self) -> str:
        """Version, names, modes and bytes of all that the image is made from."""
        digest = hashlib.sha256(self.version.encode())
        for file in (*sorted((RECIPES / self.recipe).iterdir()), *self.also):
            content = file.read_bytes()
            digest.update(f"{file.name} {os.access(file, os.X_OK)} {len(content)}\n".encode() + content)
        return digest.hexdigest()[:16]


DEBIAN = (("mmdebstrap", "apt-get install mmdebstrap"),)
OWS = StandIn("ghcr.io/opendatacube/ows", "1.9.14", "ows", DEBIAN, (RECIPES / "dpkg.cfg",))
POSTGIS = StandIn("postgis/postgis", "17-3.5", "postgis", DEBIAN, (RECIPES / "dpkg.cfg",))
CHAMBER = StandIn(
    "segment/chamber", "2.14.1", "chamber", (("go", "https://go.dev/dl"),), (TESTS / "tools/go.mod", TESTS / "tools/go.sum")
)
# The slowest first: they share two processors.
ALL = (OWS, POSTGIS, CHAMBER)


def prepare(say: Callable[[str], None] = lambda line: None) -> dict[str, str]:
    """Have all the images in the engine; image -> what was done. Raises Missing when one can be neither pulled nor built."""
    done = {one.image: found for one in ALL if (found := _found(one))}
    for image, what in done.items():
        say(f"{image}: {what}")
    if len(done) < len(ALL):
        with alone():
            lacking = [one for one in ALL if one.image not in done]
            with ThreadPoolExecutor(len(lacking)) as pool:
                had = list(pool.map(lambda one: _have(one, say), lacking))
        done |= {one.image: what for one, what in zip(lacking, had, strict=True)}
    return {one.image: done[one.image] for one in ALL}


def _found(one: StandIn) -> str | None:
    """How the image is there already; None when it is not, or is a stand-in by another recipe."""
    labels = _labels(one)
    if labels is None:
        return None
    if LABEL not in labels:
        return "the public image is there"
    return "the stand-in is there" if labels[LABEL] == one.recipe_hash() else None


def _labels(one: StandIn) -> dict[str, str] | None:
    asked = docker("image", "inspect", "--format", "{{json .Config.Labels}}", one.image, check=False)
    return (json.loads(asked.stdout) or {}) if asked.returncode == 0 else None


def _have(one: StandIn, say: Callable[[str], None]) -> str:
    try:
        what = _pull_or_build(one, say)
        say(f"{one.image}: {what}")
        return what
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{one.image} can be neither pulled nor built here: {late}") from None


def _pull_or_build(one: StandIn, say: Callable[[str], None]) -> str:
    # Asked again: while this run waited for its turn, another may have built it.
    if found := _found(one):
        return found
    earlier = docker("image", "inspect", "--format", "{{.Id}}", one.image, check=False)
    if earlier.returncode and docker("pull", "--quiet", one.image, check=False).returncode == 0:
        return "pulled"
    for tool, place in one.tools:
        if not shutil.which(tool):
            raise Missing(f"{one.image} can be neither pulled nor built here: {tool} is missing ({place}).")
    with tempfile.TemporaryDirectory(prefix=f"stand-in-{one.recipe}-") as context:
        shutil.copytree(RECIPES / one.recipe, context, dirs_exist_ok=True)
        _run_prepare(one, context)
        say(f"{one.image}: ready to be built")
        built = docker(
            "build", "--quiet", "--tag", one.image, "--build-arg", f"VERSION={one.version}",
            "--label", f"{LABEL}={one.recipe_hash()}", context, check=False, timeout=SECONDS_TO_BUILD,
        )  # fmt: skip
    if built.returncode:
        raise Missing(f"{one.image} could not be built:\n{_last_lines(built.stdout + built.stderr)}")
    if earlier.returncode == 0:
        # Refused while something still runs on it or is built on it; then it stays.
        docker("image", "rm", earlier.stdout.strip(), check=False)
    return "built"


def _run_prepare(one: StandIn, context: str) -> None:
    script = RECIPES / one.recipe / "prepare.sh"
    made = subprocess.run(
        [str(script), context, one.version],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_TO_BUILD,
    )  # fmt: skip
    if made.returncode:
        raise Missing(f"{one.image} can be neither pulled nor built here:\n{_last_lines(made.stdout)}")


@contextmanager
def alone() -> Iterator[None]:
    """One builder at a time on a machine; who comes second finds what the first one built."""
    with (Path(tempfile.gettempdir()) / f"stand-ins-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-10:])
