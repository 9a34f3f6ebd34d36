"""What a map's PNG shows: how much of it is opaque, and whether that is data or only a fill. Pillow's one door."""

from __future__ import annotations

import io
from dataclasses import dataclass

GRID = 16  # candidates a side when a point that shows something is looked for


@dataclass(frozen=True)
class Picture:
    """A decoded map.

    opaque   pixels that nothing shines through
    colours  different colours among the pixels that show anything
    points   up to three places that show something, as fractions from the top left corner, the most central first
    """

    png: bytes
    total: int
    opaque: int
    colours: int
    points: tuple[tuple[float, float], ...]

    @property
    def shows_data(self) -> bool:
        """Whether this can only be data. In one colour it may be what OWS fills a footprint with where the map is
        zoomed out too far to read the data (``zoomed_out_fill_colour``)."""
        return self.colours > 1


def look(png: bytes, size: tuple[int, int]) -> Picture:
    """Decode a PNG of that size (pixels, width and height). Raises ValueError with what is wrong with it."""
    from PIL import Image  # 40 ms that other tasks need not pay

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.size != size:
                raise ValueError(f"a picture of {image.width}×{image.height} pixels, not {size[0]}×{size[1]}")
            transparent = image.has_transparency_data
            image = image.convert("RGBA")
    except (OSError, SyntaxError) as error:
        raise ValueError(f"a damaged PNG ({error})") from None
    total = image.width * image.height
    shown = [(count, colour) for count, colour in image.getcolors(total) if colour[3]]
    if not transparent and len(shown) == 1:
        shown = []  # a service that knows no transparency paints its background
    opaque = sum(count for count, colour in shown if colour[3] == 255)
    return Picture(png, total, opaque, len(shown), _points(image.getchannel("A")) if shown else ())


def _points(alpha) -> tuple[tuple[float, float], ...]:
    left, top, right, bottom = alpha.getbbox()
    columns = [left + (right - left) * (2 * step + 1) // (2 * GRID) for step in range(GRID)]
    rows = [top + (bottom - top) * (2 * step + 1) // (2 * GRID) for step in range(GRID)]
    found = [(x, y) for x in columns for y in rows if alpha.getpixel((x, y))]
    if not found:
        first = next(index for index, value in enumerate(alpha.tobytes()) if value)
        found = [(first % alpha.width, first // alpha.width)]
    found.sort(key=lambda point: abs(2 * point[0] - left - right) + abs(2 * point[1] - top - bottom))
    chosen = (found[0], found[len(found) // 2], found[-1])  # the middle may be a hole, or without data
    return tuple(dict.fromkeys(((x + 0.5) / alpha.width, (y + 0.5) / alpha.height) for x, y in chosen))
