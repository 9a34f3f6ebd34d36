"""What `invoke faults` found, kept in build/: the table, and the faults that are tests of their own. A plugin of pytest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

import scenario
from scenario import Row

BUILD = Path(__file__).resolve().parents[2] / "build"
ROWS, OTHERS, SHOWN = "faults.json", "faults-others.json", "faults.rst"
_others: list = []


@dataclass(frozen=True)
class Other:
    """A fault that is a test of its own: its file, what must be true, how it ended, seconds, the template's commit."""

    file: str
    name: str
    outcome: str
    seconds: float
    commit: str


def write(found: Iterable[Row] = (), others: Iterable[Other] = (), folder: Path = BUILD) -> None:
    """Keep what was found beside what earlier runs found and this one did not try again, and show all of it."""
    folder.mkdir(exist_ok=True)
    rows = {(row.phase, row.fault, row.moment): row for row in (*_read(folder / ROWS, Row), *found)}
    tests = {(each.file, each.name): each for each in (*_read(folder / OTHERS, Other), *others)}
    kept = [rows[place] for place in sorted(rows)], [tests[place] for place in sorted(tests)]
    for name, each in zip((ROWS, OTHERS), kept, strict=True):
        (folder / name).write_text(json.dumps([asdict(one) for one in each], indent=1))
    (folder / SHOWN).write_text("\n".join([*_table_of_rows(kept[0]), "", *_table_of_others(kept[1])]) + "\n")


def _table_of_rows(rows: list[Row]) -> list[str]:
    return _table("Each fault at each moment (completed resources)",
                  ("phase", "fault", "after", "the way to the end", "s", "code", "outcome"), [
        (row.phase, row.fault, str(row.moment), " → ".join(row.way), f"{row.seconds:.0f}", row.commit,
         "as it must be" if row.ok else "; ".join(row.wrong)) for row in rows])  # fmt: skip


def _table_of_others(others: list[Other]) -> list[str]:
    return _table("All other faults", ("of", "what must be true", "s", "code", "outcome"), [
        (each.file, each.name, f"{each.seconds:.0f}", each.commit, each.outcome) for each in others])


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for cells in (head, *rows):
        lines += [f"   {' ' if number else '*'} - {' '.join(cell.split())}" for number, cell in enumerate(cells)]
    return lines


def _read(file: Path, kind: type) -> list:
    return [kind(**one) for one in json.loads(file.read_text())] if file.exists() else []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file, _, name = report.nodeid.partition("::")
    if "/faults/" not in file and (report.when == "call" or report.failed):
        _others.append(Other(Path(file).stem.removeprefix("test_"), name.removeprefix("test_").replace("_", " "),
                             report.outcome, round(report.duration, 1), scenario.commit()))


def pytest_sessionfinish() -> None:
    if _others:
        write(others=_others)
