"""How much time the tasks add to Terraform: each figure is a ratio against the bare commands, from one run.

Two projects with an embedded account each, whose containers do not run: in one `invoke deploy` and `invoke plan`, in the
other the same Terraform commands as one would type them. What is compared is the time from the first Terraform call to
the last one's end.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "{{cookiecutter.project_slug}}"), str(ROOT / "tests" / "support")]

from driven_project import Project, share  # noqa: E402
from tasks.core import embedded_aws  # noqa: E402

PLANS = 3
PLAN = ("plan", "-input=false", "-var-file=workspaces/local.tfvars", "-var=db_password_version=1",
        '-var=images={"ows":"datacube-wms:of-no-account"}', "-out=by.tfplan")
SHIM = """#!/usr/bin/env bash
echo "$EPOCHREALTIME" >> "$TERRAFORM_TIMES"
"{terraform}" "$@"
code=$?
echo "$EPOCHREALTIME" >> "$TERRAFORM_TIMES"
exit $code
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        by_task, by_hand = (prepared(Path(scratch) / name) for name in ("by-task", "by-hand"))
        with closing(by_task), closing(by_hand):
            figures = {
                "deploy from nothing": ratio([deployed(by_task)], [typed(by_hand)]),
                "plan with nothing to change": ratio(
                    *zip(*((planned(by_task), plan_typed(by_hand)) for _ in range(PLANS)), strict=True)),
            }
    if "--json" in sys.argv:
        print(json.dumps(figures, indent=2))
    else:
        for name, figure in figures.items():
            print(f"{name:30} {figure['ratio']:.2f} times the bare commands "
                  f"({figure['task_seconds']:.1f} s against {figure['bare_seconds']:.1f} s here)")
    return 0


class Bench(Project):
    """A project whose Terraform calls are timed."""

    def span(self) -> float:
        """Seconds from the first Terraform call to the last one's end, since the last time that it was asked."""
        times = [float(line) for line in self.times.read_text().split()]
        self.times.unlink()
        return max(times) - min(times)

    @property
    def times(self) -> Path:
        return Path(self.environment["TERRAFORM_TIMES"])

    def close(self) -> None:
        self.end()


def prepared(folder: Path) -> Bench:
    """A project with its bucket, key and password made, and no Terraform run yet."""
    from cookiecutter.main import cookiecutter

    baked = Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder)))
    share(embedded_environment(), baked)
    shims = folder / "bin"
    shims.mkdir()
    shim = shims / "terraform"
    shim.write_text(SHIM.format(terraform=shutil.which("terraform")))
    shim.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    mirror = {name: os.environ[name] for name in ("TF_CLI_CONFIG_FILE", "TF_PROVIDER_MIRROR") if name in os.environ}
    shimmed = {"PATH": f"{shims}:{os.environ['PATH']}", "TERRAFORM_TIMES": str(folder / "times")}
    project = Bench(baked, {**kept, **mirror, **shimmed, "LOCAL_CONTAINERS": "0"})
    project.must("local.up")
    project.must("bootstrap")
    project.client("ssm").put_parameter(Name="/datacube-wms-local-admin/db_password", Value="bench-only-1", Description="1",
                                        Type="SecureString", KeyId="alias/parameter_store_key")
    project.must("init")  # the provider's copying or downloading is nobody's merit
    project.times.unlink()
    return project


def embedded_environment() -> Path:
    folder = ROOT / "build" / "ministack"
    embedded_aws.environment(folder, print)
    return folder


def deployed(project: Bench) -> float:
    project.must("deploy", "--yes")
    return project.span()


def typed(project: Bench) -> float:
    terraform(project, *PLAN)
    terraform(project, "apply", "-input=false", "by.tfplan")
    terraform(project, "output", "-json")
    return project.span()


def planned(project: Bench) -> float:
    started = time.monotonic()
    project.must("plan")
    project.times.unlink()
    return time.monotonic() - started


def plan_typed(project: Bench) -> float:
    started = time.monotonic()
    terraform(project, *PLAN)
    project.times.unlink()
    return time.monotonic() - started


def terraform(project: Bench, *words: str) -> None:
    environment = {
        **project.environment, **project.by_hand, "TF_VAR_db_password": "bench-only-1",
    }
    subprocess.run(["terraform", *words], cwd=project.folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def ratio(tasks: tuple[float, ...] | list[float], bare: tuple[float, ...] | list[float]) -> dict[str, float]:
    """The medians and their ratio."""
    task, by_hand = statistics.median(tasks), statistics.median(bare)
    return {"ratio": round(task / by_hand, 3), "task_seconds": round(task, 2), "bare_seconds": round(by_hand, 2)}


if __name__ == "__main__":
    sys.exit(main())
