"""The container image: built from `image/`, pushed, and pinned by its digest. The namespace is `docker`.

The module is not called docker: Invoke puts this folder first on the path, and it would hide the library.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable

from .core import console, content, images, layers, pins, references, registry
from .core import settings as project
from .core.console import BadInput, Failed, Interrupted, Refused, TaskError, WentWrong, say, show, warn
from .core.session import Session, connect
from .core.settings import Settings
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, task


@task(help={**WORKSPACE, **JSON})
def build(context, workspace=None, json=False):
    """Build the image for the workspace's machines. Nothing is built when nothing in image/ has changed."""
    settings = project.load(workspace)
    built = images.build(settings, say)
    if json:
        tag = references.read(built.name).tag
        return emit(settings, {"image": built.name, "tag": tag, "id": built.id, "built": built.made})
    show(f"{built.name} is built." if built.made else f"{built.name} is already built; nothing has changed since.")
    if not (settings.is_local and registry.needs_aws(settings)):
        say(f"  next: {settings.command('docker.push')}")


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def push(context, workspace=None, json=False, endpoint_from_env=False):
    """Push the built image and pin its digest for the workspace. A tag that is in the registry is not pushed again."""
    registry.require_real(project.load(workspace))
    session = _session(project.load(workspace), endpoint_from_env)
    settings = session.settings
    with layers.shown() as on_progress:
        pushed = registry.push(session, images.content_tag(settings), on_progress)
    changed = _pin(settings, pushed.image)
    if json:
        return emit(settings, {"image": pushed.image, "tag": images.content_tag(settings), "pushed": pushed.made,
                               "pinned": sorted(pins.services(settings)), "changed": changed})
    show(f"{pushed.image} is {'pushed' if pushed.made else 'in the registry already'} and "
         f"{'pinned in' if changed else 'was pinned in'} {settings.images_file.relative_to(settings.root)}.")
    say(f"  next: {settings.command('plan')}")


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def digest(context, workspace=None, json=False, endpoint_from_env=False):
    """Show each service's pinned digest, its tag, and whether it is what image/ here would give."""
    session = _session(project.load(workspace), endpoint_from_env)
    settings = session.settings
    tag, here = _here(session)
    rows = [_row(session, service, tag, here) for service in sorted(settings.variables.get("services") or {})]
    if json:
        return emit(settings, {"tag": tag, "digest": here, "services": rows})
    console.table("", ("service", "image", "tag", "is what image/ gives"), [
        (row["service"], row["image"] or "none", ", ".join(row["tags"]) or "unknown", _words(row)) for row in rows],
        last="image")
    show(f"image/ here gives {tag}: " + (here or _where(settings, tag)))


@task(help={**YES, "from": "the workspace whose digests are taken", "workspace": "the one that gets them (no default)"})
def promote(context, from_=None, workspace=None, yes=False):
    """Pin for one workspace what another one has pinned: the very same bytes go from dev to prod."""
    if not from_ or not workspace or from_ == workspace:
        raise BadInput("Say two workspaces: whose digests are taken, and where they go.",
                       run="invoke docker.promote --from dev -w prod")
    source, target = project.load(from_), project.load(workspace)
    taken = _promotable(source, target)
    now = pins.read(target)
    changed = {service: image for service, image in taken.items() if now.get(service) != image}
    if not changed:
        return show(f"{target.workspace} has pinned what {source.workspace} has; nothing was changed.")
    console.table("", ("service", "pinned now", "will be"),
                  [(service, now.get(service, "none"), image) for service, image in sorted(changed.items())],
                  last="will be")
    console.confirm(f"Pin this for workspace {target.workspace}?", yes)
    pins.write(target, changed)
    show(f"Pinned in {target.images_file.relative_to(target.root)}.")
    say(f"  next: {_deploying(target)}")


@task(help={**WORKSPACE, "command": "what to run instead of the image's own command, in quotes"})
def run(context, command="", workspace=None):
    """Run the built image here, for a look: with the embedded AWS's secrets, and taken away at its end."""
    settings = project.load(workspace)
    if not settings.is_local:
        raise Refused("An image runs by hand in workspace local only: a container here must not get an account's "
                      "credentials.", run="invoke docker.run")
    session = connect(settings)
    images.require_built(settings)
    try:
        code = images.run(images.local_name(settings), _words_of(command), _environment(session), session.endpoint,
                          _pass_on, _say_where)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: the container is stopped and taken away.") from None
    if code:
        raise WentWrong(f"The container ended with exit code {code}.")


def ensure(session: Session, say: Callable[[str], None], image: str | None = None) -> dict[str, str]:
    """The image of each service that has none of its own in the tfvars, made and pinned where it has to be.

    image  of any registry, for `deploy --image`: its digest is pinned, and nothing is built or pushed
    Outside ``local``: built and pushed unless the content's tag is in the registry, and pinned. In ``local``: built unless
    it is in the engine, which the embedded AWS takes it from; a pin of that same image is kept. Raises as its parts do.
    """
    settings = session.settings
    wanted = pins.services(settings)
    if not wanted:
        if image:
            raise BadInput(f"Every service has an image of its own in {settings.tfvars.name}: --image would change nothing.")
        return {}
    if image:
        taken = image if settings.is_local and _in_engine(image) else registry.resolve(session, image)
        say(f"Image: {taken}")
        _pin(settings, taken)
        return dict.fromkeys(wanted, taken)
    if settings.is_local:
        return _ensure_in_engine(settings, wanted, say)
    tag = images.content_tag(settings)
    found = registry.digest(session, tag)
    if found:
        taken = references.Reference(registry.repository(settings)).pinned(found)
        say(f"Image: {taken} ({tag}, in the registry)")
    else:
        _build(settings, say)
        with layers.shown() as on_progress:
            taken = registry.push(session, tag, on_progress).image
        say(f"Image: {taken} ({tag}, pushed)")
    _warn_of_promoted(settings, dict.fromkeys(wanted, taken))
    _pin(settings, taken)
    return dict.fromkeys(wanted, taken)


def _ensure_in_engine(settings: Settings, wanted: list[str], say: Callable[[str], None]) -> dict[str, str]:
    built = _build(settings, say)
    recorded, taken = pins.read(settings), {}
    for service in wanted:
        pinned = recorded.get(service)
        found = images.find(pinned) if pinned else None
        taken[service] = pinned if found and found.id == built.id else built.name
    _warn_of_promoted(settings, taken)
    pins.drop(settings, [service for service, image in taken.items() if image == built.name])
    return taken


def _warn_of_promoted(settings: Settings, taken: dict[str, str]) -> None:
    """Say it when this checkout's image takes the place of a pin that another workspace has, too: it may be promoted."""
    now = pins.read(settings)
    for image in sorted({now[service] for service, new in taken.items() if now.get(service, new) != new}):
        others = pins.pinned_elsewhere(settings, image)
        if others:
            warn(f"This checkout's image takes the place of {image}, which {', '.join(others)} pins, too; where that was "
                 f"promoted and is wanted: {settings.command('deploy', '--image', image)}")


def _build(settings: Settings, say: Callable[[str], None]) -> images.Built:
    built = images.build(settings, say)
    say(f"Image: {built.name} ({'built' if built.made else 'already built'})")
    return built


def _in_engine(image: str) -> bool:
    try:
        return images.find(image) is not None
    except Failed:
        return False


def _pin(settings: Settings, image: str) -> bool:
    return pins.write(settings, dict.fromkeys(pins.services(settings), image))


def _session(settings: Settings, endpoint_from_env: bool) -> Session:
    """With AWS when the images live there, after the account guard; another registry needs no AWS at all."""
    if settings.is_local or not registry.needs_aws(settings):
        return Session(settings, dict(os.environ), None)
    session = connect(settings, endpoint_from_env)
    session.require_account()
    return session


def _here(session: Session) -> tuple[str, str | None]:
    """The tag of what image/ holds, and its digest in the registry; a registry that cannot be asked is only warned of."""
    tag = images.content_tag(session.settings)
    if session.settings.is_local and registry.needs_aws(session.settings):
        return tag, None  # the engine is all there is
    try:
        return tag, registry.digest(session, tag)
    except TaskError as error:
        warn(error.message)
        return tag, None


def _row(session: Session, service: str, tag: str, here: str | None) -> dict:
    """One service: ``current`` is whether it is what image/ gives; None when that cannot be known."""
    own = session.settings.variables["services"][service].get("image")
    image = own or session.settings.images.get(service)
    found = registry.tags(session, image) if image and "@" in image else [references.read(image).tag] if image else []
    current = None
    if image and not own:
        current = image.endswith(f"@{here}") if here else tag in found if found else None
    return {"service": service, "image": image, "tags": found, "own": bool(own), "current": current}


def _words(row: dict) -> str:
    if row["own"]:
        return "its own, from the tfvars"
    return {True: "yes", False: "no", None: "unknown" if row["image"] else "nothing is pinned"}[row["current"]]


def _where(settings: Settings, tag: str) -> str:
    if settings.is_local and registry.needs_aws(settings):
        return "in the Docker engine" if _in_engine(images.local_name(settings)) else "not built yet"
    return f"not in {registry.repository(settings)} yet, or not known"


def _promotable(source: Settings, target: Settings) -> dict[str, str]:
    """What the target can take. Raises Refused when there is nothing, or when it would not run there."""
    wanted, there = pins.services(target), pins.read(source)
    # local takes its image from the engine and cannot push it to ECR: there is nothing that it could hand on
    pin = (target if source.is_local and registry.needs_aws(source) else source).command("docker.push")
    taken = {service: there[service] for service in wanted if service in there}
    if not taken:
        raise Refused(f"{source.images_file.name} pins nothing that workspace {target.workspace} takes.", run=pin)
    theirs, ours = content.architecture(source), content.architecture(target)
    if theirs != ours:
        raise Refused(f"{source.workspace} runs {theirs} images and {target.workspace} {ours}: the same digest "
                      "cannot run in both.", run=target.command("docker.build"))
    for service in sorted(set(wanted) - set(taken)):
        warn(f"{service}: {source.workspace} has pinned nothing for it; it stays as it is.")
    for image in sorted(set(taken.values())):
        where = references.read(image)
        if not where.digest:
            raise Refused(f"{image} is a tag, which may mean another image tomorrow: push it first.",
                          run=pin)
        if where.ecr and where.ecr[0] != target.account:
            warn(f"{image} is in account {where.ecr[0]}, and {target.workspace} is another one "
                 f"({target.account or 'not known yet'}): that repository's policy must let it pull.")
    return taken


def _deploying(target: Settings) -> str:
    """What deploys the pinned images as they are: deploy alone would take this checkout's."""
    now = pins.read(target)
    pinned = {now.get(service) for service in pins.services(target)}
    if len(pinned) == 1:
        return target.command("deploy", "--image", *pinned)
    return f"{target.command('plan')}, then {target.command('apply')}"  # --image is one image for all


def _words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise BadInput(f"The command {command!r} cannot be taken apart: {error}.") from None


def _environment(session: Session) -> dict[str, str]:
    """What a task of the first service gets, with the embedded AWS's credentials, which open nothing else."""
    settings = session.settings
    return {
        "CHAMBER_SERVICE": settings.chamber_service,
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "5",
        **{name: session.environment[name] for name in (
            "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED")},
    }


def _pass_on(stream: str, output: bytes) -> None:
    to = sys.stdout if stream == "stdout" else sys.stderr
    to.buffer.write(output)
    to.flush()


def _say_where(ports: dict[str, str]) -> None:
    for port, address in ports.items():
        say(f"The container's port {port} is http://{address} here.")
