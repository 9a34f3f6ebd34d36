"""The web map service that was deployed: is every layer really drawn, and a page to look at it."""

from __future__ import annotations

import time
from pathlib import Path

from .core import console, ecs_tasks, map_page, maps, web
from .core import settings as project
from .core.console import BadInput, WentWrong, say, show, warn
from .core.diagnosis import Diagnosis
from .core.maps import LayerResult
from .core.session import Session
from .core.settings import Settings
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task
from .service import deployed

URL = {"url": "the address of a map service, instead of the one that this workspace deployed"}


@task(help={**WORKSPACE, **URL, **JSON, **ENDPOINT,
            "layer": "a layer to look at (repeatable; default: all that image/ows_config names, else all that are listed)",
            "folder": "where to put the maps (default: .local/maps/WORKSPACE)"}, iterable=["layer"])
def smoke(context, workspace=None, url="", layer=None, folder="", json=False, endpoint_from_env=False):
    """Fetch a map of every layer and look whether it shows data. Exits with 5 when one does not."""
    settings = project.load(workspace)
    layers, folder = _layers(settings, url, layer), _folder(settings, folder)
    if url:
        address, cause = web.check_url(url), None
        results = maps.smoke(address, layers, folder)
    else:
        stack = deployed(workspace, endpoint_from_env)
        address = stack.outputs["wms_endpoint"]
        results, cause = look(stack.session, stack.outputs, settings.map_services[0], layers, folder)
    failed = [result for result in results if not result.ok]
    mends = [] if url else [cause.run] if cause else helpful(settings, failed)
    if json:
        emit(settings, {"url": address, "healthy": not failed, "layers": [_as_json(result) for result in results],
                        "cause": cause and cause.cause, "run": mends})
        if failed:
            from invoke import Exit

            raise Exit(code=WentWrong.code)
        return
    console.table("", ("", "layer", "opaque", "seconds", "found"), [_row(result) for result in results],
                  styles=[None if result.ok else "bold red" for result in results], last="found")
    if failed:
        names = ", ".join(result.layer for result in failed)
        said = f"{len(failed)} of {len(results)} layers at {address} show no map: {names}."
        raise WentWrong(f"{said} {cause.cause}" if cause else said, "; ".join(mends) or None)
    show("Every layer is drawn.")


@task(help={**WORKSPACE, **URL, **ENDPOINT, "browser": "open it in a browser (with --no-browser it is only written)"})
def map(context, workspace=None, url="", browser=True, endpoint_from_env=False):
    """Write a page that shows the layers of the map service, and open it in a browser."""
    settings = project.load(workspace)
    stack = None if url else deployed(workspace, endpoint_from_env)
    address = stack.outputs["wms_endpoint"] if stack else web.check_url(url)
    try:
        known = maps.capabilities(address)
    except WentWrong as wrong:
        raise WentWrong(wrong.message, settings.command("wms.smoke") if stack else None) from None
    if not known.layers:
        warn(f"{address} lists no layer yet; the page will ask again each time it is opened.")
    file = settings.private_dir("map") / f"{settings.workspace}.html"
    file.write_text(map_page.render(settings.root, settings.project.name, address, known.text), encoding="utf-8")
    if browser and not map_page.open_in_browser(file):
        say("There is no browser here; open the page in one:")
    show(file.as_uri())


def look(session: Session, outputs: dict, name: str, layers: list[str] | None,
         folder: Path) -> tuple[list[LayerResult], Diagnosis | None]:
    """A map of each layer of a deployed service; and when one shows no data, what the service's tasks say is wrong.

    Raises WentWrong (5), with the same, when it does not answer as a map service.
    """
    begun, service = time.time(), outputs["services"][name]

    def cause() -> Diagnosis | None:
        return ecs_tasks.complaint(session, outputs["cluster"], service, begun)

    try:
        results = maps.smoke(outputs["endpoints"][name], layers, folder)
    except WentWrong as wrong:
        known = cause()
        if known:
            raise WentWrong(f"{wrong.message} {known.cause}", known.run) from None
        raise WentWrong(wrong.message, session.settings.command("service.status")) from None
    return results, None if all(result.ok for result in results) else cause()


def helpful(settings: Settings, failed: list[LayerResult]) -> list[str]:
    """The commands that may help layers of which no task says what is wrong."""
    return list(dict.fromkeys(settings.command(*result.mend.split()) for result in failed))


def _layers(settings: Settings, url: str, named: list[str] | None) -> list[str] | None:
    """The layers to look at; None for all that the service lists."""
    if named:
        return named
    if url or settings.variables.get("ows_config"):
        return None  # its configuration is not the one in image/
    return maps.layers_configured(settings.root) or None


def _folder(settings: Settings, given: str) -> Path:
    if not given:
        return settings.private_dir("maps", settings.workspace)
    folder = Path(given).expanduser()
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{given} is no folder.")
    return folder


def _row(result: LayerResult) -> tuple[str, ...]:
    opaque = f"{100 * result.opaque / result.total:.0f} %" if result.total else "-"
    found = "; ".join(filter(None, (result.reason, str(result.png or ""))))
    return "ok" if result.ok else "failed", result.layer, opaque, f"{result.seconds:.1f}", found


def _as_json(result: LayerResult) -> dict:
    return {"layer": result.layer, "ok": result.ok, "reason": result.reason or None, "opaque": result.opaque,
            "total": result.total, "png": str(result.png) if result.png else None, "seconds": result.seconds}
