"""`docker build`: the client that is chosen of several, and the sentence for each way in which a build fails."""

from __future__ import annotations

import pytest

from tasks.core import builder
from tasks.core.console import Failed

# What the two builders of Docker 20.10 and buildx 0.38 really wrote, cut to the lines that matter.
CLASSIC = """\
Step 1/2 : FROM base:1
 ---> a08113f59263
Step 2/2 : RUN echo some output; exit 7
 ---> Running in 3abc431293f4
some output
The command '/bin/sh -c echo some output; exit 7' returned a non-zero code: 7
"""
BUILDKIT = """\
#5 [1/2] FROM docker.io/library/base:1
#5 DONE 0.0s
#4 [2/2] RUN echo some output; exit 7
#4 0.371 some output
#4 ERROR: executor failed running [/bin/sh -c echo some output; exit 7]: exit code: 7
 > [2/2] RUN echo some output; exit 7:
executor failed running [/bin/sh -c echo some output; exit 7]: exit code: 7
"""
NEW_BUILDKIT = """\
#6 [2/2] RUN echo some output; exit 7
#6 0.092 some output
#6 ERROR: process "/bin/sh -c echo some output; exit 7" did not complete successfully: exit code: 7
 > [2/2] RUN echo some output; exit 7:
0.092 some output
Dockerfile:2
   2 | >>> RUN echo some output; exit 7
ERROR: failed to solve: process "/bin/sh -c echo some output; exit 7" did not complete successfully: exit code: 7
"""
NO_HOST = "dial tcp: lookup ghcr.io on 192.0.2.53:53: no such host"


@pytest.mark.parametrize(("said", "step"), [
    (CLASSIC, "Step 2/2 : RUN echo"), (BUILDKIT, "[2/2] RUN echo"), (NEW_BUILDKIT, "[2/2] RUN echo")])
def test_a_failing_step_is_named_with_its_exit_code_and_last_lines(said, step):
    told = builder.explain(said.splitlines(), None).splitlines()
    assert told[0] == f"The image was not built. {step} some output; exit 7 failed: its command ended with exit code 7."
    assert told[1:] == ["    some output"]


@pytest.mark.parametrize(("last", "sentence"), [
    (f'Get "https://ghcr.io/v2/": {NO_HOST}', "a base image cannot be pulled"),
    (f"failed to solve with frontend dockerfile.v0: failed to do request: {NO_HOST}", "a base image cannot be pulled"),
    ("ERROR: failed to solve: x:1: failed to resolve source metadata for docker.io/library/x:1: not found",
     "a base image cannot be pulled"),
    ("pull access denied for x, repository does not exist or may require 'docker login'", "a base image cannot be pulled"),
    ("Error response from daemon: write /var/lib/docker/tmp/x: no space left on device", "disk is full"),
    ("image with reference x was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64",
     "is not for linux/arm64"),
    ("ERROR: failed to solve: x: no match for platform in manifest: not found", "is not for linux/arm64"),
    ("exec /bin/sh: exec format error", "is not for linux/arm64"),
    ("error during connect: Post http://x: EOF", "stopped answering"),
    ("dockerfile parse error line 2: unknown instruction: RUNN", "unknown instruction: RUNN"),
])  # fmt: skip
def test_what_can_be_wrong_outside_a_step_is_one_sentence(last, sentence):
    told = builder.explain([last], "linux/arm64")
    assert told.startswith("The image was not built. The build failed: ") and sentence in told
    assert "\n" not in told and "failed to solve" not in told


def test_a_program_that_fails_for_want_of_a_network_is_no_base_image():
    said = CLASSIC.replace("some output\n", f"pip: {NO_HOST}\n")
    assert "its command ended with exit code 7" in builder.explain(said.splitlines(), None)


def test_a_full_disk_in_a_step_is_told():
    said = CLASSIC.replace("\nsome output\n", "\ncp: write error: No space left on device\n")
    assert "disk is full" in builder.explain(said.splitlines(), None)


def test_a_builder_that_says_nothing_still_gives_a_sentence():
    assert builder.explain([], None) == "The image was not built. The build failed: the builder said nothing."


# --- which client: stand-ins, since which ones this machine has is not for a test to choose

OLD = 'case "$1" in buildx) exit 1;; build) test "$DOCKER_BUILDKIT" = 1 && echo "      --progress string"; exit 0;; esac'
NEW_WITHOUT = 'case "$1" in buildx) exit 1;; build) test "$DOCKER_BUILDKIT" = 0; exit;; esac'
WITH_BUILDX = "exit 0"
BROKEN = "exit 127"


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """`on_path(OLD, NEW_WITHOUT)`: these clients, in this order, and no other."""

    def make(*scripts: str) -> list[str]:
        folders = [tmp_path / str(number) for number in range(len(scripts))]
        for folder, script in zip(folders, scripts, strict=True):
            folder.mkdir()
            (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", ":".join(map(str, folders)))
        return [str(folder / "docker") for folder in folders]

    return make


@pytest.mark.parametrize(("scripts", "chosen", "buildkit"), [
    ((OLD,), 0, True), ((NEW_WITHOUT,), 0, False), ((WITH_BUILDX,), 0, True),
    ((NEW_WITHOUT, OLD), 1, True), ((NEW_WITHOUT, WITH_BUILDX), 1, True), ((OLD, WITH_BUILDX), 0, True),
    ((NEW_WITHOUT, BROKEN), 0, False),
])  # fmt: skip
def test_the_first_client_with_buildkit_builds(on_path, scripts, chosen, buildkit):
    paths = on_path(*scripts)
    found = builder.client()
    assert (found.command[0], found.buildkit, found.switch) == (paths[chosen], buildkit, "1" if buildkit else "0")
    assert ("--load" in found.command) == (scripts[chosen] is WITH_BUILDX)


def test_a_client_by_two_names_is_asked_once(on_path, tmp_path, monkeypatch):
    [path] = on_path(NEW_WITHOUT)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "docker").symlink_to(path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'again'}:{tmp_path / '0'}")
    assert len(builder._on_path()) == 1


def test_without_a_client_it_is_a_sentence(on_path):
    on_path()
    with pytest.raises(Failed, match="there is none on the PATH"):
        builder.client()
