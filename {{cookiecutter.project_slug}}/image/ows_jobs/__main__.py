"""``python3 -m ows_jobs JOB``: runs one job and says how it ended."""

from __future__ import annotations

import importlib
import json
import sys

from .failures import MISCONFIGURED, JobFailed

JOBS = {"init-db": "init_db", "schema": "schema", "products": "products", "index": "index", "ranges": "ranges",
        "update": "update"}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in JOBS:
        print(f"Give one job of: {', '.join(JOBS)}.", file=sys.stderr)
        return MISCONFIGURED
    job = arguments[0]
    # A module is imported only when its job runs: datacube alone takes seconds.
    try:
        result = importlib.import_module(f".{JOBS[job]}", __package__).run()
    except JobFailed as failure:
        print(f"{job} failed: {failure}", file=sys.stderr, flush=True)
        return failure.code
    print(f"RESULT {json.dumps({'job': job, **result}, default=str)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    raise SystemExit(main(sys.argv[1:]))
