"""Is everything here that the other tasks need? Each line that fails names the command that mends it."""

from __future__ import annotations

from .core import checks, console
from .core import settings as project
from .core.checks import Check, Verdict
from .core.console import TaskError, WentWrong, show
from .core.session import connect
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

STYLES = {Verdict.FAILED: "bold red", Verdict.WARNING: "yellow", Verdict.SKIPPED: "dim"}


@task(help={**WORKSPACE, **JSON, **ENDPOINT})
def doctor(context, workspace=None, json=False, endpoint_from_env=False):
    """Look at everything that a deployment needs; changes nothing. Exits with 5 when something is wrong."""
    settings = project.load(workspace)
    found = [*checks.tools(settings.root), *_account(settings, endpoint_from_env)]
    failed = [check for check in found if check.verdict is Verdict.FAILED]
    if json:
        emit(settings, {"healthy": not failed, "checks": [_as_json(check) for check in found]})
        if failed:
            from invoke import Exit

            raise Exit(code=WentWrong.code)
        return
    console.table("", ("", "looked at", "found", "mend"),
                  [(check.verdict.value, check.name, check.found, check.mend) for check in found],
                  styles=[STYLES.get(check.verdict) for check in found], last="found")
    if failed:
        raise WentWrong(f"{len(failed)} of {len(found)} checks failed: {', '.join(check.name for check in failed)}.")
    show("All is well." if all(check.verdict is not Verdict.WARNING for check in found) else "Nothing is missing.")


def _account(settings: project.Settings, endpoint_from_env: bool) -> list[Check]:
    try:
        return list(checks.account(connect(settings, endpoint_from_env)))
    except TaskError as error:
        return [Check("account", Verdict.FAILED, error.message, error.run or "")]


def _as_json(check: Check) -> dict:
    return {"name": check.name, "verdict": check.verdict.name.lower(), "found": check.found, "mend": check.mend or None}
