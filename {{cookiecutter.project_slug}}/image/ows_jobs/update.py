"""update: index and then ranges in one task, for a schedule.

The ranges are made even when the index failed: one broken document must not keep the dates of the others from the map.
"""

from __future__ import annotations

from . import index, ranges
from .failures import JobFailed


def run() -> dict:
    results: dict[str, dict] = {}
    failures: list[JobFailed] = []
    for name, job in (("index", index), ("ranges", ranges)):
        try:
            results[name] = job.run()
        except JobFailed as failure:
            failures.append(failure)
    if failures:
        sentences = dict.fromkeys(failure.sentence for failure in failures)  # a database that is down says the same twice
        raise type(failures[0])(" ".join(sentences), failures[0].run)
    return {"changed": any(result["changed"] for result in results.values()), **results}
