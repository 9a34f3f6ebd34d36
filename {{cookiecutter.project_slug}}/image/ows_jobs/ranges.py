"""ranges: what OWS tells of each layer (its dates, its bounds) is what the datacube holds.

A layer that is not dynamic learns of changed ranges only at a restart: the result names the layers whose ranges changed.
"""

from __future__ import annotations

import sys

from .database import Database, connected, one_line
from .failures import JobFailed


def run() -> dict:
    with connected() as database:
        database.require_ows()
        before = _ranges(database)
        layers = _update()
        after = _ranges(database)
    changed = [layer for layer in layers if before.get(layer) != after.get(layer)]
    for layer in layers:
        print(f"{layer}: {'changed' if layer in changed else 'unchanged'}, {after[layer][0]} dates")
    unchanged = [layer for layer in layers if layer not in changed]
    return {"changed": bool(changed), "layers": {"changed": changed, "unchanged": unchanged}}


def _ranges(database: Database) -> dict[str, tuple]:
    """Everything that a layer's row says, but for the time of its writing."""
    return {row[0]: row[1:] for row in database.rows(
        "select layer, jsonb_array_length(dates), dates::text, bboxes::text, lat_min, lat_max, lon_min, lon_max"
        " from ows.layer_ranges where jsonb_typeof(dates) = 'array'"
    )}


def _update() -> list[str]:
    """The views, then the ranges of each layer; answers the layers' names. Raises JobFailed at the end for all layers
    that could not be done, so that one of them does not keep the others from their new dates."""
    from datacube_ows.config_utils import ConfigException
    from datacube_ows.ows_configuration import get_config
    from sqlalchemy.exc import SQLAlchemyError

    from . import upstream

    upstream.datacube_ows_update("--views")
    try:
        with upstream.quietly() as said:
            layers = get_config(called_from_update_ranges=True).layer_index
    except ConfigException as error:
        raise JobFailed(f"The OWS configuration cannot be read: {one_line(error)}", "invoke docker.build") from error
    if not all(layer.ready for layer in layers.values()):
        _show_why(said.getvalue())
    failures: list[JobFailed] = []
    cache: dict = {}
    for name, layer in layers.items():
        try:
            _require_data(name, layer)
            with upstream.quietly():
                layer.ows_index().create_range_entry(layer, cache)
        except JobFailed as failure:
            failures.append(failure)
        except SQLAlchemyError as error:
            failures.append(JobFailed(f"The ranges of the layer {name} were refused by the database: {one_line(error)}"))
    if not layers:
        raise JobFailed("The OWS configuration has no layer.", "invoke docker.build")
    if failures:
        raise JobFailed(" ".join(failure.sentence for failure in failures), failures[0].run)
    return list(layers)


def _show_why(said: str) -> None:
    """What OWS says of layers that it could not load; not what is so of every layer before its first ranges."""
    for line in said.splitlines():
        if not line.endswith("is ready but no ranges are available."):
            print(line, file=sys.stderr)


def _require_data(name: str, layer) -> None:
    if not layer.ready:
        products = ", ".join(layer.product_names)
        raise JobFailed(f"Could not load layer {name}: see the reason above; it may be that the product {products} is not "
                        "in the datacube.", "invoke service.run products")
    if not any(layer.dc.index.datasets.count(product=product) for product in layer.product_names):
        raise JobFailed(f"The layer {name} has no ranges: the product {', '.join(layer.product_names)} has no datasets.",
                        "invoke service.run index")
