"""The embedded AWS of the workspace `local`: start it, stop it, look at it, empty it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import frame
from .core import console, embedded_aws, settings
from .core.console import Failed, Refused
from .core.embedded_aws import Server


@frame.task(help={**frame.JSON})
def up(context, json=False):
    """Start the embedded AWS; the account that was saved comes back."""
    local = settings.load()
    if _named_elsewhere():
        server = embedded_aws.status(local.root)
        if not server.running:
            raise Failed(f"Nothing answers at {server.endpoint}, which AWS_ENDPOINT_URL names.", run="unset AWS_ENDPOINT_URL")
        console.say("AWS_ENDPOINT_URL is set: the workspace local uses that server, and none is started.")
    else:
        server = embedded_aws.up(local.root, console.say)
    _report(local, server, json)


@frame.task(help={**frame.JSON})
def down(context, json=False):
    """Stop the embedded AWS; it saves its account first."""
    local = settings.load()
    _require_own("stop it")
    _report(local, embedded_aws.down(local.root, console.say), json)


@frame.task(help={**frame.JSON})
def status(context, json=False):
    """Say whether the embedded AWS runs, where, and what it can do."""
    local = settings.load()
    _report(local, embedded_aws.status(local.root), json)


@frame.task(help={**frame.YES, **frame.JSON})
def reset(context, yes=False, json=False):
    """Empty the embedded AWS: everything in its account is gone, Terraform's state of the workspace local too."""
    local = settings.load()
    _require_own("empty it")
    console.confirm("Delete everything in the embedded AWS?", yes)
    _report(local, embedded_aws.reset(local.root, console.say), json)


def _named_elsewhere() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL"))


def _require_own(purpose: str) -> None:
    """Raise Refused (3) while AWS_ENDPOINT_URL names the server in use: it is not ours to end."""
    if _named_elsewhere():
        raise Refused(f"AWS_ENDPOINT_URL is set, so the embedded AWS in use is not this project's own. To {purpose}, go where "
                      "it was started; for this project's own, unset the variable.", run="unset AWS_ENDPOINT_URL")


def _report(local: settings.Settings, server: Server, json: bool) -> None:
    if json:
        frame.emit(local, _as_json(server))
        return
    if server.warning:
        console.warn(server.warning)
    if not server.running:
        kept = f"; its account of {embedded_aws.age(server.saved_at)} is kept" if server.saved_at else ""
        console.show(f"The embedded AWS is not running{kept}.")
        console.say("  run: invoke local.up")
        return
    console.show(f"The embedded AWS runs at {server.endpoint}")
    console.show(f"  containers  {'really run' if server.containers else 'are recorded, not run (no Docker engine is used)'}")
    if server.saved_at:
        console.show(f"  saved       {embedded_aws.age(server.saved_at)}")
    if server.log:
        console.show(f"  process     {server.pid}, log {_shown(server.log, local.root)}")


def _as_json(server: Server) -> dict[str, Any]:
    """The contract's fields of local.status."""
    return {"running": server.running, "endpoint": server.endpoint, "containers": server.containers,
            "pid": server.pid, "log": str(server.log) if server.log else None}


def _shown(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
