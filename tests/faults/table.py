"""The fault table: each fault at several moments of an apply, an update and a destroy, several rows at the same time."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import scenario
from driven_project import CANARY
from scenario import Copy, Phase, Row

TILES = '  tiles = { desired_count = 1, cpu = 128, memory = 256, path = "/tiles/*" }\n'
WCS = TILES.replace("tiles", "wcs")
GONE = 'module.ecs["tiles"].aws_cloudwatch_log_group.service'
MOST_DANGEROUS = ("kill -9 task", "kill -9 terraform")  # what people do
DEPLOY = ("deploy", "--yes", "--no-containers")


def with_a_second_service(project) -> None:
    """More than the template's answers make, so that an update has something to take away."""
    _in_services(project, "", TILES)
    project.edit("jumpbox_cidrs", '["203.0.113.0/24"]')


def changed(project) -> None:
    """Creates, changes, replaces and deletes: a service goes, another comes, the jumpbox goes, a gateway a zone comes."""
    _in_services(project, TILES, WCS)
    project.edit("jumpbox_cidrs", "[]")
    project.edit("nat", '"per_zone"')
    project.edit("instance_type", '"t3.large"')


def _in_services(project, old: str, new: str) -> None:
    file = project.folder / "workspaces" / "local.tfvars"
    text = file.read_text().replace(old, "") if old else file.read_text()
    file.write_text(text.replace("services = {\n", "services = {\n" + new))


PHASES = {phase.name: phase for phase in (
    Phase("apply", DEPLOY),
    Phase("update", (*DEPLOY, "--allow-replace", GONE), changed),
    Phase("destroy", ("destroy", "-w", "local", "--confirm", "local"), destroys=True),
)}


class Goldens:
    """The projects that are copied: one before its first apply, one after it."""

    def __init__(self, source: Path, scratch: Path, environment: dict[str, str]):
        self.scratch, self.environment = scratch, environment
        self.before, self.after = scratch / "before", scratch / "after"
        copy = Copy(source, scratch / "making", environment)
        try:
            with_a_second_service(copy)
            copy.must("bootstrap")
            _write_password(copy)
            copy.must("plan")  # so that no copy has to initialise Terraform
            self._keep(copy, self.before)
            copy.must("local.up", "--no-containers")
            copy.must(*DEPLOY)
            self._keep(copy, self.after)
        finally:
            copy.end()

    def of(self, phase: str) -> Path:
        return self.before if phase == "apply" else self.after

    @staticmethod
    def _keep(copy: Copy, folder: Path) -> None:
        copy.must("local.down")
        shutil.copytree(copy.folder, folder, symlinks=True)


def _write_password(copy: Copy) -> None:
    done = subprocess.run(
        [*copy.network.prefix, sys.executable, "-m", "invoke", "chamber.write", "datacube-wms-local-admin", "db_password"],
        cwd=copy.folder, env=copy.environment, input=CANARY, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Case:
    """A fault at a part of a phase: 0 is its first start, 1 before its last completion."""

    phase: str
    fault: str
    part: float


def all_cases(phases: Iterable[str], faults: Iterable[str], moments: int) -> list[Case]:
    """Each fault at moments that are spread over each phase: what people do at all of them, the others at half as many,
    so that apply and destroy together have them all."""
    phases = list(phases)
    cases = []
    for fault in faults:
        each = moments if fault in MOST_DANGEROUS else math.ceil(moments / 2)
        parts = [number / max(each - 1, 1) for number in range(each)]
        cases += [Case(phase, fault, part) for phase, part in itertools.product(phases, parts)]
    return cases


def rows(goldens: Goldens, cases: list[Case], together: int) -> Iterator[Row]:
    """Each row as it ends, in no order."""
    phases = [PHASES[name] for name in dict.fromkeys(case.phase for case in cases)]
    with ThreadPoolExecutor(together) as pool:
        plain = {phase.name: pool.submit(scenario.undisturbed, goldens.of(phase.name), goldens.scratch / phase.name,
                                         goldens.environment, phase) for phase in phases}
        waiting = []
        for phase in phases:
            total, wanted = plain[phase.name].result()
            for case in (case for case in cases if case.phase == phase.name):
                moment = round(case.part * (total - 1))
                folder = goldens.scratch / re.sub(r"\W+", "-", f"{phase.name}-{case.fault}-{moment}")
                waiting.append(pool.submit(scenario.run, goldens.of(phase.name), folder, goldens.environment, phase,
                                           case.fault, moment, wanted))
        for done in as_completed(waiting):
            yield done.result()


def line(row: Row) -> str:
    """A row as a person follows it."""
    outcome = "ok  " if row.ok else "BAD "
    return (f"{outcome}{row.phase:8} {row.fault:20} {row.moment:4} {row.seconds:6.0f} s  {' → '.join(row.way)[:160]}  "
            f"{'; '.join(row.wrong)[:600]}")
