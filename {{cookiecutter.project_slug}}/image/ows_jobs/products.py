"""products: the product definitions that PRODUCTS names are in the datacube, as they are written."""

from __future__ import annotations

from .database import connected, one_line
from .documents import Reader, setting
from .failures import JobFailed


def run() -> dict:
    reader = Reader()
    definitions = [
        (address, definition)
        for place in setting("PRODUCTS")
        for address in reader.files(place)
        for definition in reader.read(address)
    ]
    with connected() as database:
        database.require_datacube()
    outcome: dict[str, list[str]] = {"added": [], "updated": [], "unchanged": []}
    if definitions:
        from datacube import Datacube

        resource = Datacube(app="ows-jobs").index.products
        for address, definition in definitions:
            name, how = _put(resource, address, definition)
            outcome[how].append(name)
            print(f"{name}: {how} ({address})")
    else:
        print("PRODUCTS names no product.")
    return {"changed": bool(outcome["added"] or outcome["updated"]), **outcome}


def _put(resource, address: str, definition: dict) -> tuple[str, str]:
    from datacube.utils import InvalidDocException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        product = resource.from_doc(definition)
        if not resource.get_by_name(product.name):
            resource.add(product)
            return product.name, "added"
        possible, safe, unsafe = resource.can_update(product)
        if not possible:
            places = ", ".join(".".join(map(str, place)) for place, _, _ in unsafe)
            raise JobFailed(f"The product {product.name} in {address} differs from the one in the datacube in {places}, "
                            "which its datasets may depend on. Give it a new name.", "invoke service.run products")
        if safe:
            resource.update(product)
            return product.name, "updated"
        return product.name, "unchanged"
    except (InvalidDocException, ValueError, KeyError) as error:
        raise JobFailed(f"{address} is no product definition: {one_line(error)}") from error
    except SQLAlchemyError as error:
        raise JobFailed(f"The product in {address} was refused by the database: {one_line(error)}") from error
