"""The web map service that was deployed: is every layer really drawn, and a page to look at it."""

from __future__ import annotations

from pathlib import Path

from . import steps
from .core import console, map_page, maps, web
from .core import settings as project
from .core.console import BadInput, WentWrong, say, show, warn
from .core.maps import LayerResult
from .core.session import connect
from .core.settings import Settings
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

URL = {"url": "the address of a map service, instead of the one that this workspace deployed"}


@task(help={**WORKSPACE, **URL, **JSON, **ENDPOINT,
            "layer": "a layer to look at (repeatable; default: all that image/ows_config names, else all that are listed)",
            "folder": "where to put the maps (default: .local/maps/WORKSPACE)"}, iterable=["layer"])
def smoke(context, workspace=None, url="", layer=None, folder="", json=False, endpoint_from_env=False):
    """Fetch a map of every layer and look whether it shows data. Exits with 5 when one does not."""
    settings = project.load(workspace)
    address = _address(settings, url, endpoint_from_env)
    try:
        results = maps.smoke(address, _layers(settings, url, layer), _folder(settings, folder))
    except WentWrong as wrong:
        raise WentWrong(wrong.message, None if url else settings.command("service.status")) from None
    failed = [result for result in results if not result.ok]
    mends = [] if url else list(dict.fromkeys(settings.command(*result.mend.split()) for result in failed))
    if json:
        emit(settings, {"url": address, "healthy": not failed, "layers": [_as_json(result) for result in results],
                        "run": mends})
        if failed:
            from invoke import Exit

            raise Exit(code=WentWrong.code)
        return
    console.table("", ("", "layer", "opaque", "seconds", "found"), [_row(result) for result in results],
                  styles=[None if result.ok else "bold red" for result in results], last="found")
    if failed:
        names = ", ".join(result.layer for result in failed)
        said = f"{len(failed)} of {len(results)} layers at {address} show no map: {names}."
        raise WentWrong(said, "; ".join(mends) or None)
    show("Every layer is drawn.")


@task(help={**WORKSPACE, **URL, **ENDPOINT, "browser": "open it in a browser (with --no-browser it is only written)"})
def map(context, workspace=None, url="", browser=True, endpoint_from_env=False):
    """Write a page that shows the layers of the map service, and open it in a browser."""
    settings = project.load(workspace)
    address = _address(settings, url, endpoint_from_env)
    try:
        known = maps.capabilities(address)
    except WentWrong as wrong:
        raise WentWrong(wrong.message, None if url else settings.command("service.status")) from None
    if not known.layers:
        warn(f"{address} lists no layer yet; the page will ask again each time it is opened.")
    file = settings.private_dir("map") / f"{settings.workspace}.html"
    file.write_text(map_page.render(settings.root, settings.project.name, address, known.text), encoding="utf-8")
    if browser and not map_page.open_in_browser(file):
        say("There is no browser here; open the page in one:")
    show(file.as_uri())


def _address(settings: Settings, url: str, endpoint_from_env: bool) -> str:
    """The map service to ask. Raises BadInput for what is no address, Refused while nothing is deployed."""
    if url:
        return web.check_url(url)
    session = connect(settings, endpoint_from_env)
    terraform_ = steps.connect_for_terraform(session)
    steps.init(terraform_, session)
    return steps.require_outputs(terraform_)["wms_endpoint"]


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
