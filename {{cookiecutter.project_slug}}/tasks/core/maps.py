"""A web map service as its clients see it: ask it for its layers and for maps. The only module that asks a WMS."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import pictures, web, wms_capabilities
from .console import BadInput, WentWrong
from .pictures import Picture
from .wms_capabilities import LATITUDE_FIRST, Box, Capabilities, Layer

CONFIGURATION = Path("image/ows_config/ows.json")
SIZE = 256  # pixels a side; OWS draws no larger tile unless its configuration says so
TIMEOUT = 60.0  # seconds for one answer; a first map opens many files
ZOOM, DEPTH, ASKS = 8, 3, 12  # how a layer is searched when its whole extent shows no data: see _search


@dataclass(frozen=True)
class LayerResult:
    """What came of asking for one map of a layer.

    reason   empty when it is well
    opaque   of ``total`` pixels of the map that was kept, those that nothing shines through
    png      the file that holds that map; None when none came
    seconds  that all requests for it took
    mend     the task that helps, as words: ``service.run ranges``
    """

    layer: str
    ok: bool
    reason: str = ""
    opaque: int = 0
    total: int = 0
    png: Path | None = None
    seconds: float = 0.0
    mend: str = ""


class _Wrong(Exception):
    """A layer's map is not what it should be: a sentence, the task that helps, and the blank picture if there is one."""

    def __init__(self, reason: str, mend: str = "logs.tail", picture: Picture | None = None):
        super().__init__(reason)
        self.reason, self.mend, self.picture = reason, mend, picture


def smoke(url: str, layers: list[str] | None, folder: Path, timeout: float = TIMEOUT) -> list[LayerResult]:
    """Ask for one map of each layer and look whether it shows data; keep the maps in ``folder``, one PNG a layer.

    ``layers`` None means all that the service lists. Raises WentWrong (5) when the service does not answer as a WMS,
    or lists nothing and nothing was named.
    """
    known = capabilities(url, timeout)
    wanted = [layer.name for layer in known.layers] if layers is None else list(dict.fromkeys(layers))
    if not wanted:
        raise WentWrong(f"{url} answers, but it lists no layer: no product is indexed, or no ranges are made.")
    results: list[LayerResult] = []
    for name in wanted:
        results.append(_check(url, known, name, folder, timeout))
        if len(results) > 1 and all(result.reason.startswith("no answer") for result in results[-2:]):
            rest = wanted[len(results):]  # each further one would only wait as long
            return results + [LayerResult(each, False, "not asked: the service stopped answering", mend="logs.tail")
                              for each in rest]
    return results


def capabilities(url: str, timeout: float = TIMEOUT) -> Capabilities:
    """What the service says of itself. Raises BadInput (4) for what is no address, WentWrong (5) for what is no WMS."""
    web.check_url(url)
    try:
        answer = web.fetch(url, {"service": "WMS", "version": "1.3.0", "request": "GetCapabilities"}, timeout)
    except web.NoAnswer as error:
        raise WentWrong(f"The map service at {url} does not answer: {error.reason}.") from None
    if answer.status != 200:
        raise WentWrong(f"The map service at {url} is not well: {_status(answer, 'GetCapabilities')}.")
    try:
        return wms_capabilities.parse(answer.body)
    except ValueError as error:
        raise WentWrong(f"{url} is no WMS: GetCapabilities answered {error} as {answer.kind or 'no type'}.") from None


def layers_configured(root: Path) -> list[str]:
    """The layers that the project's OWS configuration names, in its order; empty without a configuration of its own.

    Follows ``include`` of JSON files from the including file's folder, as the image does. What a Python object includes
    is known to OWS alone. Raises BadInput (4) for a file that cannot be read.
    """
    file = (root / CONFIGURATION).resolve()
    if not file.exists():
        return []
    content = _read_json(file)
    found = _names(content.get("layers", []) if isinstance(content, dict) else [], (file,))
    return list(dict.fromkeys(found))


def _names(part, opened: tuple[Path, ...]) -> Iterator[str]:
    if isinstance(part, list):
        for each in part:
            yield from _names(each, opened)
    elif isinstance(part, dict) and "include" in part:
        if part.get("type", "json") == "json":
            file = (opened[-1].parent / str(part["include"])).resolve()
            if file in opened:
                raise BadInput(f"{opened[-1].name} includes {part['include']}, which includes it in turn.")
            yield from _names(_read_json(file), (*opened, file))
    elif isinstance(part, dict) and "layers" in part:
        yield from _names(part["layers"], opened)
    elif isinstance(part, dict) and isinstance(part.get("name"), str):
        yield part["name"]


def _read_json(file: Path):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"The OWS configuration {file} cannot be read: {why}.") from None


def _check(url: str, known: Capabilities, name: str, folder: Path, timeout: float) -> LayerResult:
    started = time.monotonic()
    file = folder / file_name(name)
    file.unlink(missing_ok=True)  # never show an earlier run's map
    picture, reason, mend = None, "", ""
    try:
        layer = known.layer(name)
        if layer is None:
            listed = ", ".join(each.name for each in known.layers[:5]) + (", …" if len(known.layers) > 5 else "")
            raise _Wrong(f"GetCapabilities does not list it; it lists {listed or 'no layer at all'}", "service.run ranges")
        picture = _search(url, layer, timeout)
    except web.NoAnswer as silent:
        reason, mend = f"no answer: {silent.reason}", "service.status"
    except _Wrong as wrong:
        picture, reason, mend = wrong.picture, wrong.reason, wrong.mend
    if picture:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.png)
    return LayerResult(name, not reason, reason, picture.opaque if picture else 0, picture.total if picture else 0,
                       file if picture else None, round(time.monotonic() - started, 2), mend)


def file_name(layer: str) -> str:
    """A layer's name as a file's: what a file system or a shell could mind is replaced, and two names stay two."""
    plain = re.sub(r"[^\w.-]", "_", layer.lstrip("."), flags=re.ASCII)[:100]
    return f"{plain}.png" if plain == layer else f"{plain}-{hashlib.sha1(layer.encode()).hexdigest()[:7]}.png"


def _search(url: str, layer: Layer, timeout: float) -> Picture:
    """A map that shows the layer's data. Raises _Wrong.

    The whole extent first. Data may be smaller than a pixel there, and OWS only fills the footprints in one colour
    where too much would have to be read: then the parts that show something are looked at more and more closely, or,
    when nothing does, nine parts of the extent. One colour down to the last step is taken for data if it is opaque.
    """
    if layer.window is None:
        raise _Wrong("GetCapabilities tells no extent of it", "service.run ranges")
    crs, whole = layer.window
    first, filled, waiting = None, False, [(whole, 0)]
    for _ in range(ASKS):
        if not waiting:
            break
        box, depth = waiting.pop(0)
        picture = _get_map(url, layer.name, crs, box, timeout)
        first = first or picture
        if picture.shows_data or (depth == DEPTH and picture.opaque):
            return picture
        filled = filled or bool(picture.points)
        if picture.points and depth < DEPTH:
            waiting[:0] = [(_around(box, point), depth + 1) for point in picture.points]
        elif depth == 0:
            waiting = [(each, 1) for each in _ninths(box)]
    what = "it shows footprints but no data" if filled else "the map is blank"
    raise _Wrong(f"{what}: its files are not there or cannot be read, or none is indexed where it says", picture=first)


def _around(box: Box, point: tuple[float, float]) -> Box:
    width, height = (box[2] - box[0]) / ZOOM, (box[3] - box[1]) / ZOOM
    x, y = box[0] + point[0] * (box[2] - box[0]), box[3] - point[1] * (box[3] - box[1])
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _ninths(box: Box) -> list[Box]:
    """The nine thirds by thirds of a box, the middle first."""
    width, height = (box[2] - box[0]) / 3, (box[3] - box[1]) / 3
    cells = sorted(((x, y) for x in range(3) for y in range(3)), key=lambda cell: abs(cell[0] - 1) + abs(cell[1] - 1))
    return [(box[0] + x * width, box[1] + y * height, box[0] + (x + 1) * width, box[1] + (y + 1) * height) for x, y in cells]


def _get_map(url: str, layer: str, crs: str, box: Box, timeout: float) -> Picture:
    """A map in the layer's default style and at its default time. Raises _Wrong."""
    sides = (box[1], box[0], box[3], box[2]) if crs in LATITUDE_FIRST else box
    answer = web.fetch(url, {
        "service": "WMS", "version": "1.3.0", "request": "GetMap", "layers": layer, "styles": "", "crs": crs,
        "bbox": ",".join(repr(side) for side in sides), "width": SIZE, "height": SIZE, "format": "image/png",
        "transparent": "true",
    }, timeout)  # fmt: skip
    if answer.status != 200:
        raise _Wrong(_status(answer, "GetMap"))
    if answer.kind != "image/png":
        said = _words(answer)
        raise _Wrong(f"GetMap answered {answer.kind or 'no type'}, not image/png{': ' if said else ''}{said}")
    try:
        return pictures.look(answer.body, (SIZE, SIZE))
    except ValueError as error:
        raise _Wrong(f"GetMap answered {error}") from None


def _status(answer: web.Answer, request: str) -> str:
    said = _words(answer)
    return f"{request} answered {answer.status}{': ' if said else ''}{said}"


def _words(answer: web.Answer) -> str:
    """What a person can read of an answer, in one line."""
    said = wms_capabilities.exception(answer.body)
    if not said and answer.kind.startswith(("text/", "application/json")):
        said = " ".join(re.sub(r"<[^>]*>", " ", answer.body[:2000].decode(errors="replace")).split())
    return said[:200] + "…" if len(said) > 200 else said.rstrip(".")
