"""A task for the tests to kill: it applies a saved plan, or follows the run it finds, inside the project's own frame.

    python a_task.py FOLDER apply PLAN | FOLDER follow | FOLDER short COMMAND
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from invoke import Collection, Program

from tasks import frame
from tasks.core import progress, runs, settings, terraform
from tasks.core.session import Session
from tasks.core.terraform import Terraform

FOLDER, WHAT, *ARGUMENTS = sys.argv[1:]
LOCAL = settings.load("local", Path(FOLDER))


@frame.task(help={})
def act(context):
    """Do what the command line says."""
    local = Terraform(Session(LOCAL, dict(os.environ), None))
    if WHAT == "short":
        return print(local.run(*ARGUMENTS))
    run = local.apply(Path(ARGUMENTS[0]), "canary-5f1d0c") if WHAT == "apply" else runs.find(LOCAL)
    with progress.shown(progress.Progress(total=2)) as (on_event, tick):
        code = runs.follow(run, on_event, tick)
    if code:
        raise terraform.explain(run)


Program(namespace=Collection(act)).run(["a-task", "act"])
