"""Draws the sample scenes of `image/sample`: an island that nobody owns, on a clear day in summer and one in winter.

    python tests/support/sample_scenes.py FOLDER

Needs numpy, rasterio and PyYAML (any datacube-ows image has them). The same numbers come out each time, so that a
scene's id, and a picture that a test looks at, stay.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import numpy
import rasterio
import yaml
from rasterio.transform import from_origin

SIZE, RESOLUTION, EPSG = 256, 100.0, 32756  # pixels, metres, UTM zone 56 south
LEFT, TOP = 460_000.0, 6_190_000.0  # in the sea, some 200 km east of Sydney
NODATA = -999
STEP = 20  # reflectances are rounded to this: the files stay small, and no eye sees it
PRODUCT = "sample"
DAYS = {"2024-01-15": "summer", "2024-07-15": "winter"}
Picture = numpy.ndarray  # bands x rows x columns, reflectance times 10 000

SEA, SHALLOWS, SAND = (180, 420, 900), (350, 1250, 1500), (2500, 2250, 1600)
GRASS, FOREST, ROCK, SNOW = (850, 1500, 480), (330, 800, 330), (1500, 1350, 1150), (3000, 3000, 3000)
DRY, CLOUD = (1700, 1500, 700), (2900, 2900, 2950)


def noise(seed: int, cells: int) -> numpy.ndarray:
    """Smooth noise from 0 to 1: random values at a few points, and cubic ways between them, at three sizes."""
    total = numpy.zeros((SIZE, SIZE))
    for octave in range(3):
        count = cells * 2**octave
        points = numpy.random.default_rng(seed + octave).random((count + 1, count + 1))
        place = numpy.linspace(0, count, SIZE, endpoint=False)
        whole = place.astype(int)
        rest = place - whole
        ease = rest * rest * (3 - 2 * rest)
        rows = points[whole] * (1 - ease)[:, None] + points[whole + 1] * ease[:, None]
        total += (rows[:, whole] * (1 - ease) + rows[:, whole + 1] * ease) / 2**octave
    return (total - total.min()) / (total.max() - total.min())


def heights() -> numpy.ndarray:
    """The island's height, 1 at its summit; the sea's depth below 0."""
    row, column = numpy.mgrid[0:SIZE, 0:SIZE] / SIZE
    island = 1.15 - 2.6 * numpy.hypot((column - 0.47) * 0.9, row - 0.52)
    bay = 0.75 * numpy.exp(-(((column - 0.78) / 0.11) ** 2 + ((row - 0.62) / 0.09) ** 2))
    islet = 0.62 * numpy.exp(-(((column - 0.86) / 0.07) ** 2 + ((row - 0.22) / 0.06) ** 2))
    return island + 0.75 * (noise(3, 4) - 0.5) - bay + islet - 0.28


def draw(season: str) -> Picture:
    """One day's picture."""
    height = heights()
    picture = numpy.empty((3, SIZE, SIZE))
    picture[:] = numpy.array(SEA)[:, None, None]

    def paint(where: numpy.ndarray, colour: tuple[int, int, int], cover: float | numpy.ndarray = 1.0) -> None:
        share = numpy.where(where, cover, 0.0)
        picture[:] = picture * (1 - share) + numpy.array(colour)[:, None, None] * share

    paint(height > -0.35, SHALLOWS, numpy.clip((height + 0.35) / 0.35, 0, 1) ** 2)
    paint(height > 0, SAND)
    paint(height > 0.03, GRASS if season == "winter" else DRY)
    paint((height > 0.10) & (noise(11, 6) > 0.42), FOREST)
    paint(height > 0.52, ROCK)
    paint(height > (0.56 if season == "winter" else 0.72), SNOW)
    slope = numpy.gradient(height, axis=1) + numpy.gradient(height, axis=0)
    light = numpy.where(height > 0, 1 + numpy.clip(slope * 9, -0.45, 0.45), 1)
    picture *= light
    cloud = noise(29 if season == "summer" else 41, 3)
    row, column = numpy.mgrid[0:SIZE, 0:SIZE] / SIZE
    paint((cloud > 0.74) & (row + column < 0.8), CLOUD, numpy.clip((cloud - 0.74) * 9, 0, 0.9))
    corner = (SIZE - 1 - numpy.mgrid[0:SIZE, 0:SIZE][0]) + numpy.mgrid[0:SIZE, 0:SIZE][1] < 24  # as a satellite's swath ends
    return numpy.where(corner, NODATA, (picture / STEP).round().clip(1, 400) * STEP).astype("int16")


def write(folder: Path, day: str, picture: Picture) -> None:
    """One scene: a file a band, and its document, whose paths are relative so that the folder may lie anywhere."""
    scene = folder / day
    scene.mkdir(parents=True, exist_ok=True)
    transform = from_origin(LEFT, TOP, RESOLUTION, RESOLUTION)
    bands = dict(zip(("red", "green", "blue"), picture, strict=True))
    for name, values in bands.items():
        with rasterio.open(scene / f"{name}.tif", "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="int16",
                           nodata=NODATA, crs=f"EPSG:{EPSG}", transform=transform, tiled=True, compress="deflate",
                           zlevel=9, predictor=2) as file:
            file.write(values, 1)
    right, bottom = LEFT + SIZE * RESOLUTION, TOP - SIZE * RESOLUTION
    document = {
        "$schema": "https://schemas.opendatacube.org/dataset",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://opendatacube.org/{PRODUCT}/{day}")),
        "label": f"{PRODUCT}_{day}",
        "product": {"name": PRODUCT},
        "crs": f"epsg:{EPSG}",
        "geometry": {"type": "Polygon",
                     "coordinates": [[[LEFT, TOP], [right, TOP], [right, bottom], [LEFT, bottom], [LEFT, TOP]]]},
        "grids": {"default": {"shape": [SIZE, SIZE], "transform": [*transform]}},
        "properties": {"datetime": f"{day}T00:10:00Z", "odc:processing_datetime": f"{day}T12:00:00Z",
                       "eo:platform": PRODUCT, "eo:instrument": PRODUCT, "odc:file_format": "GeoTIFF"},
        "measurements": {name: {"path": f"{name}.tif"} for name in bands},
        "lineage": {},
    }
    (scene / f"{PRODUCT}.odc-metadata.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


if __name__ == "__main__":
    for day, season in DAYS.items():
        write(Path(sys.argv[1]), day, draw(season))
