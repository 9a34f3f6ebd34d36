"""index: the dataset documents that INDEX names are in the datacube, at their present places.

``datacube dataset add`` exits 0 whatever happens to a document; here each one is looked for afterwards. A document whose
id is known but which changed, or lies elsewhere now, takes the place of the earlier one. Archived datasets stay archived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from .database import connected, one_line
from .documents import Reader, setting
from .failures import JobFailed, Misconfigured

BATCH = 500
READERS = 8
PATTERN = "*.odc-metadata.yaml"
SHOWN = 20  # of the documents that failed, each with its reason; the rest is counted


def run() -> dict:
    entries = [_entry(entry) for entry in setting("INDEX")]
    with connected() as database:
        database.require_datacube()
        before = database.datasets()
        if entries and not before:
            raise JobFailed("The datacube has no product that a document could be a dataset of.",
                            "invoke service.run products")
        outcome: Counter[str] = Counter()
        reader = Reader()
        for source, pattern in entries:
            outcome += _index(reader, source, pattern)
        after = database.datasets()
    if not entries:
        print("INDEX names no source.")
    if outcome["failed"]:
        raise JobFailed(f"{outcome['failed']} of {outcome['listed']} documents did not become datasets; "
                        "their reasons are above.", "invoke service.run index")
    changed = bool(outcome["added"] or outcome["updated"])
    counts = {name: outcome[name] for name in ("listed", "added", "updated", "known", "archived")}
    return {"changed": changed, **counts, "datasets_before": sum(before.values()), "datasets": after}


def _entry(entry: object) -> tuple[str, str]:
    if not isinstance(entry, dict) or not entry.get("source"):
        raise Misconfigured(f"INDEX holds {entry!r}: an object with 'source' and 'pattern' was expected.")
    return entry["source"], entry.get("pattern") or PATTERN


def _index(reader: Reader, source: str, pattern: str) -> Counter[str]:
    outcome: Counter[str] = Counter()
    addresses = reader.below(source, pattern)
    into = None
    while batch := list(islice(addresses, BATCH)):
        into = into or Datasets()
        outcome["listed"] += len(batch)
        for address, document, error in _read(reader, batch):
            if document is not None:
                into.take(address, document)
            else:
                into.refuse(address, error)
        outcome += into.put()
        counts = ", ".join(f"{count} {how}" for how, count in sorted(outcome.items()))
        print(f"{source}: {counts}")
    if not outcome["listed"]:
        raise JobFailed(f"{source} holds no document that matches {pattern}.", "invoke service.run index")
    return outcome


def _read(reader: Reader, addresses: Iterable[str]) -> Iterator[tuple[str, dict | None, str]]:
    """Each document with its address; None with the reason for a file that cannot be read."""
    def read(address: str) -> list[tuple[str, dict | None, str]]:
        try:
            return [(address, document, "") for document in reader.read(address)]
        except JobFailed as failure:
            return [(address, None, failure.sentence)]

    with ThreadPoolExecutor(READERS) as pool:
        for documents in pool.map(read, addresses):
            yield from documents


class Datasets:
    """The datacube's datasets, put in by batches."""

    def __init__(self) -> None:
        from datacube import Datacube
        from datacube.index.hl import Doc2Dataset

        self._index = Datacube(app="ows-jobs").index
        self._resolve = Doc2Dataset(self._index)
        self._taken: dict = {}
        self._failed = self._refused = 0

    def take(self, address: str, document: dict) -> None:
        """A document for the next `put`; one that fits no product is refused."""
        from datacube.utils import SimpleDocNav

        try:
            dataset, error = self._resolve(SimpleDocNav(document), address)
        except Exception as unexpected:  # a document may be anything, and datacube raises as many kinds of errors
            dataset, error = None, unexpected
        if dataset is None:
            self.refuse(address, one_line(error))
        else:
            self._taken[dataset.id] = dataset

    def refuse(self, address: str, reason: str) -> None:
        self._failed += 1
        self._refused += 1
        if self._refused <= SHOWN:
            print(f"{address}: {reason}")

    def put(self) -> Counter[str]:
        """Puts what was taken into the datacube, and looks whether it is there."""
        known = {dataset.id: dataset for dataset in self._index.datasets.bulk_get(list(self._taken))}
        done = {id_: self._put(dataset, known.get(id_)) for id_, dataset in self._taken.items()}
        written = [id_ for id_, how in done.items() if how in ("added", "updated")]
        for id_, there in zip(written, self._index.datasets.bulk_has(written), strict=True):
            if not there:
                self.refuse(self._taken[id_].uri, f"it was {done.pop(id_)}, and is not in the datacube.")
        outcome = Counter(how for how in done.values() if how)
        outcome["failed"] = self._failed
        self._taken, self._failed = {}, 0
        return +outcome

    def _put(self, dataset, known) -> str | None:
        """How it went; None for a dataset that was refused."""
        from datacube.utils import changes, jsonify_document
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if known is None:
                self._index.datasets.add(dataset)
                return "added"
            if known.is_archived:
                return "archived"
            moved = known.uri != dataset.uri
            if not moved and known.metadata_doc == jsonify_document(dataset.metadata_doc):
                return "known"
            self._index.datasets.update(dataset, {(): changes.allow_any})
            if moved:
                self._index.datasets.remove_location(known.id, known.uri)
            return "updated"
        except (ValueError, KeyError, SQLAlchemyError) as error:
            self.refuse(dataset.uri, one_line(error))
            return None
