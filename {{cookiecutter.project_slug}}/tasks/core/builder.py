"""`docker build`, and only it: which client of those on the PATH builds best, and what went wrong in a build.

The library (docker-py) knows the classic builder only; the command builds with BuildKit where it has it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .console import Failed

SHOWN = 12  # lines of the failing step

# What the builders write beside the steps and their output.
NOISE = re.compile(r"#\d+ sha256:|DEPRECATED: The legacy builder|BuildKit is currently disabled|environment-variable\.$"
                   r"|Install the buildx component|https://docs\.docker\.com/go/buildx/|-+$|\s*$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

STEP = re.compile(r"(?:#(?P<vertex>\d+) (?=\[)|Step \d+/\d+ : )(?P<what>.+)")
OUTPUT = re.compile(r"#(?P<vertex>\d+) (?P<seconds>[\d.]+) (?P<text>.*)")
PREFIXES = re.compile(r"^(?:ERROR: |failed to build: |failed to solve(?: with frontend [\w.]+)?: "
                      r"|failed to create LLB definition: |rpc error: code = \w+ desc = )+")
ASIDE = (" ---> ", "Removing intermediate container ")
FAILED_VERTEX = re.compile(r"#(\d+) ERROR:? ")
COMMAND_FAILED = re.compile(r"(?:returned a non-zero code|exit code): (\d+)")

FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
FOREIGN = re.compile(r"exec format error|does not match the specified platform|no match(?:ing manifest)? for platform"
                     r"|no matching manifest for", re.IGNORECASE)
PULL = re.compile(r"pull access denied|failed to resolve source metadata|failed to do request|manifest unknown"
                  r"|manifest for .* not found|dial tcp|no such host|i/o timeout|toomanyrequests"
                  r"|failed to authorize|unauthorized", re.IGNORECASE)
UNPULLABLE = "a base image cannot be pulled"
GONE = re.compile(r"cannot connect to the docker daemon|error during connect|unexpected EOF", re.IGNORECASE)


class NoBaseImage(Failed):
    """A base image is neither in the engine nor to be had: no network, or a version that does not exist."""


@dataclass(frozen=True)
class Client:
    """How to call the builder. ``command`` comes before the options of a build, ``switch`` is DOCKER_BUILDKIT."""

    command: tuple[str, ...]
    switch: str
    buildkit: bool


def client() -> Client:
    """The first client on the PATH that has BuildKit, else the first one. Raises Failed when there is none.

    Several may be there, and a new one without buildx cannot what an old one can.
    """
    found = _on_path()
    for docker in found:
        if _answers(docker, "buildx", "version") is not None:
            # --load: a builder in a container of its own would keep the image to itself
            return Client((docker, "buildx", "build", "--load", "--progress=plain"), "1", True)
        if "--progress" in (_answers(docker, "build", "--help") or ""):
            return Client((docker, "build", "--progress=plain"), "1", True)
    if not found:
        raise Failed("An image is built with the docker command, and there is none on the PATH.",
                     run="https://docs.docker.com/engine/install/")
    return Client((found[0], "build", "--force-rm"), "0", False)  # else a failing step leaves its container behind


def build(client: Client, context: Path, name: str, platform: str | None, arguments: Mapping[str, str],
          say: Callable[[str], None]) -> None:
    """Build and name an image, saying each line as it comes. Raises Failed with the failing step and its last lines."""
    command = [*client.command, "--tag", name, *(["--platform", platform] if platform else [])]
    for argument, value in arguments.items():
        if value:  # an empty one would win over the Dockerfile's default
            command += ["--build-arg", f"{argument}={value}"]
    environment = {**os.environ, "DOCKER_BUILDKIT": client.switch, "DOCKER_CLI_HINTS": "false",
                   # one manifest, so that its digest is the image's, and not that of a list with a record of the build
                   "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    lines: list[str] = []
    process = subprocess.Popen([*command, str(context)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace")
    try:
        for line in process.stdout:
            line = COLOUR.sub("", line).rstrip()
            if not NOISE.match(line.strip()):
                lines.append(line)
                say(line)
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        process.stdout.close()
    if code:
        said = explain(lines, platform)
        raise NoBaseImage(said) if UNPULLABLE in said else Failed(said)


def explain(lines: list[str], platform: str | None) -> str:
    """Why a build failed: a sentence, and the last lines of the step that failed."""
    last = PREFIXES.sub("", lines[-1]) if lines else "the builder said nothing"
    step, output = _failing_step(lines)
    text = "\n".join((*output, last))
    command = COMMAND_FAILED.search(last)
    if FULL.search(text):
        why = "the Docker engine's disk is full (docker system df shows what takes the room)"
    elif FOREIGN.search(text):
        why = (f"a base image or a program in it is not for {platform or 'this machine'}; building for another architecture "
               "wants base images for it and QEMU's binfmt handlers in the kernel")
    elif command:
        why = f"its command ended with exit code {command[1]}"
    elif PULL.search(last):
        why = f"{UNPULLABLE}: {last}"
        output = []
    elif GONE.search(last):
        why = "the Docker engine stopped answering"
    else:
        why = last
    failed = f"{step} failed" if step else "The build failed"
    return "\n".join([f"The image was not built. {failed}: {why}.", *(f"    {line}" for line in output[-SHOWN:])])


def _failing_step(lines: list[str]) -> tuple[str, list[str]]:
    """The step that failed and what its command wrote."""
    vertex = next((found[1] for line in reversed(lines) if (found := FAILED_VERTEX.match(line))), None)
    if vertex:
        step = next((found["what"] for line in lines if (found := STEP.match(line)) and found["vertex"] == vertex), "")
        return step, [found["text"] for line in lines if (found := OUTPUT.match(line)) and found["vertex"] == vertex]
    begun = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].startswith("Step ")), None)
    if begun is None:
        return "", []
    return lines[begun], [line for line in lines[begun + 1:-1] if not line.startswith(ASIDE)]


def _on_path() -> list[str]:
    """Every docker on the PATH, in its order, each once."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        file = os.path.join(folder, "docker")
        if os.path.isfile(file) and os.access(file, os.X_OK):
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _answers(docker: str, *arguments: str) -> str | None:
    """What a client prints, asked with BuildKit switched on; None when it fails."""
    try:
        done = subprocess.run([docker, *arguments], env={**os.environ, "DOCKER_BUILDKIT": "1"}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
