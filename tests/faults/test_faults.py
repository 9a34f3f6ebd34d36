"""Whatever happens in the middle of a run, the next one comes to its end: nothing twice, nothing left over, no key lost.

Two moments of each fault, one in an apply and one in a destroy; `invoke faults` takes all that its options name.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import own_network
import report
import scenario
import table
from driven_project import share
from tasks.core import embedded_aws

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = int(os.environ.get("FAULT_MOMENTS", "0"))
TOGETHER = int(os.environ.get("FAULTS_TOGETHER", "5"))
PHASES = os.environ.get("FAULT_PHASES", " ".join(table.PHASES)).split()
FAULTS = [name for name in scenario.FAULTS if os.environ.get("FAULT", "") in name]
FEW = [table.Case(phase, fault, part) for phase, part in (("apply", 0.7), ("destroy", 0.4)) for fault in scenario.FAULTS]


@pytest.fixture(scope="session")
def goldens(bake, environment, tmp_path_factory) -> table.Goldens:
    if not own_network.available():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(own_network.HOW_TO_INSTALL)
    scratch = tmp_path_factory.mktemp("faults")
    source = scratch / "source"
    shutil.copytree(bake(), source)
    embedded_aws.environment(ROOT / "build" / "ministack", print)
    share(ROOT / "build" / "ministack", source)
    return table.Goldens(source, scratch, dict(environment))


def test_every_fault_is_survived(goldens, capsys):
    found = []
    for row in table.rows(goldens, table.all_cases(PHASES, FAULTS, MOMENTS) if MOMENTS else FEW, TOGETHER):
        found.append(row)
        report.write(found)
        with capsys.disabled():
            print(table.line(row), flush=True)
    wrong = [table.line(row) for row in found if not row.ok]
    assert not wrong, "\n".join(wrong)
