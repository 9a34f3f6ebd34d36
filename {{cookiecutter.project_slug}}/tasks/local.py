"""The embedded AWS of the workspace `local`: start it, stop it, look at it, empty it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import frame
from .core import consent, console, embedded_aws, kept_state, runs, settings, unfinished
from .core.console import BadInput, Refused
from .core.embedded_aws import Server
from .core.settings import Settings

NO_CONTAINERS = {"containers": "whether containers really run; --no-containers records what would run"}
CONFIRM = {"confirm": "the environment's name, instead of typing it: local"}


@frame.task(help={**frame.WORKSPACE, **NO_CONTAINERS, **frame.JSON})
def up(context, workspace="local", containers=True, json=False):
    """Start the embedded AWS; the account that was saved comes back, and its containers where they can run."""
    local = _local(workspace)
    if not containers:
        _require_ours(local, "start it without containers")
    _report(local, embedded_aws.up(local.root, console.say, None if containers else "--no-containers was given"), json)


@frame.task(help={**frame.WORKSPACE, **frame.JSON})
def down(context, workspace="local", json=False):
    """Stop the embedded AWS and its containers; it saves its account first, and the database's data stays."""
    local = _local(workspace)
    _require_ours(local, "stop it")
    _report(local, embedded_aws.down(local.root, console.say), json)


@frame.task(help={**frame.WORKSPACE, **frame.JSON})
def status(context, workspace="local", json=False):
    """Say whether the embedded AWS runs, where, and what it can do."""
    local = _local(workspace)
    _report(local, embedded_aws.status(local.root), json)


@frame.task(help={**frame.WORKSPACE, **CONFIRM, **frame.JSON})
def reset(context, workspace="local", confirm="", json=False):
    """Empty the embedded AWS: all that is deployed there, its secrets, and Terraform's state of it."""
    local = _local(workspace)
    _require_ours(local, "empty it")
    console.warn("All that is deployed in the embedded AWS will be lost: database, files, secrets, Terraform's state.")
    consent.typed(consent.names_of(local), confirm, "empty it", "invoke local.reset --confirm local")
    server = embedded_aws.reset(local.root, console.say)
    kept_state.discard(local)  # what an interrupted run has left belongs to an account that is gone
    unfinished.forget(local)
    _report(local, server, json)


def _local(workspace: str) -> Settings:
    """The workspace's settings. Raises BadInput: there is one embedded AWS, and it is the workspace local's."""
    if workspace != "local":
        raise BadInput(f"The embedded AWS serves the workspace local, not {workspace}.")
    return settings.load(workspace)


def _require_ours(local: Settings, purpose: str) -> None:
    """Raise Refused (3) when the server in use is somebody else's, or Terraform is at work on it."""
    if os.environ.get("AWS_ENDPOINT_URL"):
        raise Refused(f"AWS_ENDPOINT_URL names the embedded AWS in use. To {purpose}, go where it was started; for this "
                      "project's own, unset the variable.", run="unset AWS_ENDPOINT_URL")
    run = runs.find(local)
    if run and run.running:
        raise Refused(f"Terraform is at work on the embedded AWS ({run.kind}, process {run.pid}). Let it end before you "
                      f"{purpose}.", run="invoke apply")


def _report(local: Settings, server: Server, json: bool) -> None:
    if server.warning:
        console.warn(server.warning)
    if json:
        frame.emit(local, _as_json(server))
    elif server.running:
        console.show(f"The embedded AWS runs at {server.endpoint}")
        console.show(f"  containers  {_containers(server)}")
        if server.saved_at:
            console.show(f"  saved       {embedded_aws.age(server.saved_at)}")
        if server.pid:
            console.show(f"  process     {server.pid}")
        if server.log:
            console.show(f"  log         {_shown(server.log, local.root)}")
    else:
        kept = f"; its account of {embedded_aws.age(server.saved_at)} is kept" if server.saved_at else ""
        console.show(f"The embedded AWS is not running{kept}.")


def _containers(server: Server) -> str:
    if not server.containers:
        return f"are recorded, not run: {server.reason or 'it is not one of this project'}"
    return "really run" if server.count is None else f"really run, {server.count} now"


def _as_json(server: Server) -> dict[str, Any]:
    """The contract's fields of local.status."""
    return {"running": server.running, "endpoint": server.endpoint, "containers": server.containers,
            "reason": server.reason, "running_containers": server.count, "pid": server.pid,
            "log": str(server.log) if server.log else None}


def _shown(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
