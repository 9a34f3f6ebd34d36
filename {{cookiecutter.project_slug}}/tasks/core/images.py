"""The Docker engine, and only it: the project's image in it, built from `image/`, and run by hand.

The only module that imports docker. What goes into an image gives its tag, so an image that is there is never built
again, and nobody needs an engine to know which image a checkout wants.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import builder, checkout, content, references
from .console import BadInput, Failed, Interrupted, Refused
from .settings import Settings

PLATFORMS = {content.X86_64: "linux/amd64", content.ARM64: "linux/arm64"}

# docker-py's own 60 s are for each read, and a registry may be silent for longer while it stores a layer.
TIMEOUT = 600
KNOCK = 5  # seconds until nobody is taken to be there: a firewall drops, and says nothing

INSTALL = "https://docs.docker.com/engine/install/"


class NoEngine(Failed):
    """No Docker engine answers."""


NoBaseImage = builder.NoBaseImage


class EngineError(Failed):
    """The engine, or a registry through it, refused. ``message`` is its own; ``status`` of HTTP, 0 if unknown."""

    def __init__(self, message: str, status: int = 0):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Image:
    """An image in the engine.

    id            ``sha256:…`` of its configuration; not the digest that a registry knows it by
    architecture  ``x86_64`` or ``arm64``
    digests       ``repository@sha256:…`` of each registry that it was pushed to or pulled from
    ports         that it says to listen on, such as ``8000/tcp``
    """

    id: str
    architecture: str
    created: datetime
    digests: tuple[str, ...]
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """An image of the engine, by name and id. ``made`` is False when it was there already."""

    name: str
    id: str
    made: bool


def content_tag(settings: Settings) -> str:
    """``<ows_version>-<12 hex>``, a hash of what goes into the image. Needs no engine. Raises BadInput."""
    folder = context(settings)
    return content.tag(settings, folder, context_files(folder))


def context(settings: Settings) -> Path:
    return settings.root / "image"


def local_name(settings: Settings) -> str:
    """What the image of `image/` as it is now is called in the engine. Needs none."""
    return f"{settings.project.slug}:{content_tag(settings)}"


def build(settings: Settings, say: Callable[[str], None]) -> Built:
    """Build the project's image unless the engine has it. Raises Failed with the step that failed, Interrupted.

    Its name appears in the engine only when the build is complete.
    """
    called = local_name(settings)
    found = find(called)
    if found and (settings.is_local or found.architecture == content.architecture(settings)):
        return Built(called, found.id, made=False)
    arguments = {
        "OWS_VERSION": settings.project.ows_version,
        "CHAMBER_VERSION": settings.project.chamber_version,
        "SOURCE_COMMIT": checkout.commit(context(settings)),
        "TEMPLATE_VERSION": str(settings.project.template.get("version") or ""),
    }
    # In `local` the engine's own: a platform that is named makes some builders ask a registry for what they have here.
    wanted = None if settings.is_local else PLATFORMS[content.architecture(settings)]
    try:
        builder.build(builder.client(), context(settings), called, wanted, arguments, say)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: the image was not built. The steps that were done are kept by the engine.",
                          run=settings.command("docker.build")) from None
    made = find(called)
    if made is None:
        raise Failed(f"The build ended well, but the engine has no {called}: the builder kept it to itself.",
                     run="docker buildx use default")
    if wanted and PLATFORMS.get(made.architecture) != wanted:  # the classic builder takes a base of any architecture
        untag(called)
        raise Failed(f"The image came out for {made.architecture}, and workspace {settings.workspace} wants "
                     f"{content.architecture(settings)}: its base image is here for {made.architecture} only.",
                     run=f"docker pull --platform {wanted} IMAGE, then {settings.command('docker.build')}")
    return Built(called, made.id, made=True)


def require_built(settings: Settings) -> Image:
    """The engine's image of what `image/` holds now. Raises Refused (3) while it is not built."""
    called = local_name(settings)
    found = find(called)
    if found is None:
        raise Refused(f"{called} is not built yet: the engine does not have it.", run=settings.command("docker.build"))
    return found


def find(reference: str) -> Image | None:
    """An image in the engine, by name, digest or id; None when it is not there."""
    try:
        with engine() as client:
            found = client.api.inspect_image(reference)
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    return Image(
        id=found["Id"],
        architecture=content.known(found["Architecture"]),
        created=_moment(found["Created"]),
        digests=tuple(found.get("RepoDigests") or ()),
        ports=tuple(found["Config"].get("ExposedPorts") or ()),
    )


def tags(reference: str) -> list[str]:
    """The tags that an image of the engine has in the repository that the reference names; empty when it is not there."""
    repository = references.read(reference).repository
    try:
        with engine() as client:
            named = client.api.inspect_image(reference).get("RepoTags") or []
    except (EngineError, NoEngine):
        return []
    return sorted(other.tag for other in map(references.read, named) if other.repository == repository)


def tag(image: str, repository: str, tag: str) -> None:
    """Give an image of the engine another name."""
    with engine() as client:
        client.api.tag(image, repository, tag)


def untag(reference: str) -> None:
    """Take a name away; the image itself goes with its last one."""
    with engine() as client:
        client.api.remove_image(reference)


def push(repository: str, tag: str, login: dict[str, str] | None) -> Iterator[dict]:
    """Push, and yield the engine's events as they come; an event with ``error`` is the registry's refusal.

    login  ``username`` and ``password``, handed on and kept nowhere; None takes those of Docker's own configuration
    """
    with engine() as client:
        yield from client.api.push(repository, tag=tag, auth_config=login, stream=True, decode=True)


def distribution(reference: str) -> dict | None:
    """What the registry says of an image, asked through the engine: ``Descriptor`` (digest), ``Platforms``.

    None when it has no such image. Raises EngineError.
    """
    try:
        with engine() as client:
            return client.api.inspect_distribution(reference)
    except EngineError as error:
        if error.status == 404 or "manifest unknown" in error.message:
            return None
        raise


def run(image: str, command: Sequence[str], environment: dict[str, str], endpoint: str,
        on_output: Callable[[str, bytes], None], on_start: Callable[[dict[str, str]], None]) -> int:
    """Run a container to its end and take it away again; answers its exit code.

    endpoint   of the embedded AWS: the container gets the address by which it can reach it
    on_output  gets ``stdout`` or ``stderr`` and bytes
    on_start   gets what the container listens on: its port -> the address here
    """
    with engine(timeout=None) as client:
        network, reachable = _way_to(client, endpoint)
        ports = client.api.inspect_image(image)["Config"].get("ExposedPorts") or {} if network == "bridge" else {}
        container = client.containers.create(
            image, list(command) or None, environment={**environment, "AWS_ENDPOINT_URL": reachable,
                                                       "CHAMBER_AWS_SSM_ENDPOINT": reachable},
            network_mode=network, ports={port: ("127.0.0.1", None) for port in ports}, init=False,
        )
        try:
            output = container.attach(stream=True, demux=True, logs=True)
            container.start()
            container.reload()
            on_start({port: ":".join((bound[0]["HostIp"], bound[0]["HostPort"]))
                      for port, bound in container.ports.items() if bound})
            for out, err in output:
                for stream, text in (("stdout", out), ("stderr", err)):
                    if text:
                        on_output(stream, text)
            return container.wait()["StatusCode"]
        finally:
            container.remove(force=True, v=True)


def engine_version() -> str:
    """The engine's version. Raises NoEngine when none answers."""
    try:
        with engine(timeout=10) as client:
            return client.version()["Version"]
    except NoEngine as error:
        raise NoEngine("no Docker engine answers: an image can be pinned here, not built", run=error.run) from None


def reached_from_a_container(image: str, address: str) -> bool:
    """Whether a container of an image (it has Python in it) reaches what listens on an address of this machine."""
    import socket

    from docker.errors import ContainerError

    with socket.socket() as listener, engine() as client:
        listener.bind((address, 0))
        listener.listen()
        call = f"import socket; socket.create_connection({listener.getsockname()!r}, {KNOCK}).close()"
        try:
            client.containers.run(image, entrypoint=["python3", "-c", call], command=[], remove=True)
        except ContainerError:
            return False
    return True


@contextmanager
def engine(timeout: float | None = TIMEOUT):
    """A client of the Docker engine; whatever it raises becomes a sentence. Raises NoEngine, EngineError."""
    import warnings

    import docker
    import requests
    import urllib3

    # of a credential helper that is not there, which is told as a sentence where it matters
    warnings.filterwarnings("ignore", category=UserWarning, module=r"docker\.credentials")
    try:
        client = docker.from_env(timeout=timeout)
    except docker.errors.DockerException as error:
        raise _no_engine(str(error)) from None
    try:
        yield client
    except docker.errors.APIError as error:
        raise EngineError(error.explanation or str(error), error.status_code or 0) from None
    except docker.errors.DockerException as error:
        raise EngineError(str(error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:  # docker-py lets them through in a stream
        raise EngineError(f"The Docker engine stopped answering: {error}") from None
    finally:
        client.close()


def _no_engine(reason: str) -> NoEngine:
    named = os.environ.get("DOCKER_HOST")
    where = f" at {named}, which DOCKER_HOST names" if named else ""
    if "PermissionError" in reason:
        return NoEngine(f"This user may not use the Docker engine{where}.",
                        run="sudo usermod -aG docker $USER, then log in anew")
    return NoEngine(f"No Docker engine answers{where}.", run=INSTALL)


def _way_to(client, endpoint: str) -> tuple[str, str]:
    """The network mode by which a container reaches an address of this machine, and the address to use in it."""
    import socket
    from ipaddress import ip_network
    from urllib.parse import urlsplit

    address = urlsplit(endpoint)
    for configured in client.networks.get("bridge").attrs["IPAM"]["Config"] or ():
        # an engine that was told nothing gives its bridge the first address, and does not say so
        gateway = configured.get("Gateway") or str(ip_network(configured["Subnet"])[1])
        try:
            socket.create_connection((gateway, address.port), timeout=2).close()
            return "bridge", f"{address.scheme}://{gateway}:{address.port}"
        except OSError:
            continue  # the server listens on the loopback address only
    return "host", endpoint


def context_files(folder: Path) -> list[str]:
    """The files that a build gets, with / between the parts, sorted. Raises BadInput when there is no Dockerfile."""
    from docker.utils.build import exclude_paths  # .dockerignore as Docker reads it

    if not (folder / "Dockerfile").is_file():
        raise BadInput(f"{folder.name}/Dockerfile is missing: the image is built from it. Restore it from git.")
    ignore = folder / ".dockerignore"
    lines = [line.strip() for line in ignore.read_text(encoding="utf-8").splitlines()] if ignore.exists() else []
    paths = exclude_paths(str(folder), [line for line in lines if line and not line.startswith("#")])
    files = (path for path in paths if (folder / path).is_symlink() or (folder / path).is_file())
    return sorted(Path(path).as_posix() for path in files)


def _moment(text: str) -> datetime:
    """Docker writes nanoseconds; Python before 3.11 reads six digits at most, and only these."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")
