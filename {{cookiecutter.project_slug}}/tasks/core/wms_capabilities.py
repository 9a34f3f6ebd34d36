"""What a WMS says of itself (GetCapabilities 1.3.0): its layers, where they lie, and the address that it tells clients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

MERCATOR = "EPSG:3857"
LON_LAT = "CRS:84"
LATITUDE_FIRST = ("EPSG:4326",)  # WMS 1.3.0 keeps the axes of the definition; every other one here begins with x
EDGE = 85.05  # degrees of latitude at which web Mercator ends
RADIUS = 6378137.0

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, whatever the order on the wire


@dataclass(frozen=True)
class Layer:
    """A layer that can be asked for by name.

    window  where it lies: a CRS that the service offers, and a box in it; None when it says nothing usable
    """

    name: str
    window: tuple[str, Box] | None


@dataclass(frozen=True)
class Capabilities:
    """A WMS as it describes itself.

    map_url  the address at which it tells clients to ask for maps, as it stands there; empty when there is none
    text     the document itself
    """

    map_url: str
    layers: tuple[Layer, ...]
    text: bytes

    def layer(self, name: str) -> Layer | None:
        return next((layer for layer in self.layers if layer.name == name), None)


def parse(text: bytes) -> Capabilities:
    """Read the document. Raises ValueError with what it is instead."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"no valid XML ({error})") from None
    kind = root.tag.rpartition("}")[2]
    if kind == "ServiceExceptionReport":
        raise ValueError(f"an exception: {exception(text)}")
    if kind != "WMS_Capabilities":
        raise ValueError(f"a document {kind}, not WMS_Capabilities (version 1.3.0)")
    resource = root.find("./{*}Capability/{*}Request/{*}GetMap/{*}DCPType/{*}HTTP/{*}Get/{*}OnlineResource")
    address = "" if resource is None else resource.get("{http://www.w3.org/1999/xlink}href", "")
    layers = [found for top in root.findall("./{*}Capability/{*}Layer") for found in _layers(top, frozenset(), {})]
    return Capabilities(address, tuple(layers), text)


def exception(text: bytes) -> str:
    """The first exception of a ServiceExceptionReport in one line; empty when the text is none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return ""
    if root.tag.rpartition("}")[2] != "ServiceExceptionReport":
        return ""
    first = root.find(".//{*}ServiceException")
    if first is None:
        return "no reason given"
    lines = [line.strip() for line in (first.text or "").splitlines() if line.strip()]
    return f"{first.get('code', '')} {lines[0] if lines else ''}".strip()


def _layers(element: ElementTree.Element, crs: frozenset, boxes: dict[str, Box]) -> Iterator[Layer]:
    """The layers at and below an element that draw something of their own; a folder hands its CRSs and boxes down."""
    crs = crs | {(each.text or "").strip() for each in element.findall("./{*}CRS")}
    boxes = {**boxes, **dict(_boxes(element))}
    below = element.findall("./{*}Layer")
    name = (element.findtext("./{*}Name") or "").strip()
    if name and not below:
        yield Layer(name, _window(crs | boxes.keys(), boxes))
    for inner in below:
        yield from _layers(inner, crs, boxes)


def _boxes(element: ElementTree.Element) -> Iterator[tuple[str, Box]]:
    for each in element.findall("./{*}BoundingBox"):
        crs = each.get("CRS", "")
        box = _numbers(each.get(side) for side in ("minx", "miny", "maxx", "maxy"))
        if box:
            yield crs, (box[1], box[0], box[3], box[2]) if crs in LATITUDE_FIRST else box
    sides = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")
    box = _numbers(element.findtext(f"./{{*}}EX_GeographicBoundingBox/{{*}}{side}") for side in sides)
    if box:
        yield LON_LAT, box


def _numbers(texts) -> Box | None:
    """Four numbers that span an area; None when they do not."""
    try:
        box = tuple(float(text) for text in texts)
    except (TypeError, ValueError):
        return None
    return box if all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3] else None


def _window(crs: frozenset, boxes: dict[str, Box]) -> tuple[str, Box] | None:
    """Web Mercator when it is offered, as map pages ask; else the first CRS whose box is told."""
    if MERCATOR in boxes:
        return MERCATOR, boxes[MERCATOR]
    if MERCATOR in crs and LON_LAT in boxes:
        west, south, east, north = boxes[LON_LAT]
        return MERCATOR, (*_mercator(west, max(south, -EDGE)), *_mercator(east, min(north, EDGE)))
    told = [each for each in boxes if each != LON_LAT] or list(boxes)
    return (told[0], boxes[told[0]]) if told else None


def _mercator(longitude: float, latitude: float) -> tuple[float, float]:
    return RADIUS * math.radians(longitude), RADIUS * math.asinh(math.tan(math.radians(latitude)))
