"""Each mend, shown twice: with it MiniStack does what AWS does, without it the defect is there.

A mend whose defect no longer shows without it fails here: it is to be dropped.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mend_probes import PROBES
from tasks.core import embedded_aws


@pytest.mark.parametrize("name", PROBES)
def test_what_a_mend_mends_is_broken_without_it(name, mended, python, home, clients):
    assert PROBES[name](clients(mended))
    assert not PROBES[name](clients(embedded_aws.start(home, python, options=["--without-mend", name])))


def test_every_mend_has_a_probe_and_a_sentence(python):
    listed = dict(line.split(": ", 1) for line in _serve(python, "--list-mends").stdout.splitlines())
    assert {name for name in listed if not name.endswith("(containers)")} == set(PROBES)  # test_container_mends has the rest
    assert all(len(without) > 20 for without in listed.values())


def test_a_mend_that_does_not_exist_is_refused(python, home):
    done = _serve(python, "--home", str(home), "--without-mend", "ecs.nonsense")
    assert done.returncode == 4
    assert done.stderr == "There is no mend called ecs.nonsense.\n"


def _serve(python: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(python), "-B", str(embedded_aws.PROGRAM), *options], capture_output=True, text=True)
