"""What the containers say: the logs of services and jobs, several at once, in the order of time."""

from __future__ import annotations

import re
import sys
import time

from .core import console, log_groups
from .core.console import BadInput
from .frame import ENDPOINT, WORKSPACE, task
from .service import NAMED, Stack, deployed

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
POLL = 2  # seconds


@task(help={
    **WORKSPACE, **ENDPOINT, **NAMED,
    "since": "how far back: a number and s, m, h or d, for example 10m or 2h",
    "filter": "only lines that match this filter pattern of CloudWatch Logs, for example ERROR or '\"GET /ping\"'",
    "follow": "go on until Ctrl-C",
    "job": "a job instead of services: admin (init-db, schema, products, index, ranges) or one of the workspace's",
})
def tail(context, service="", since="10m", filter="", follow=False, job="", workspace=None, endpoint_from_env=False):
    """Show what services and jobs have said lately, oldest first; with --follow what they go on saying, until Ctrl-C."""
    begun = int((time.time() - seconds(since)) * 1000)
    stack = deployed(workspace, endpoint_from_env)
    named, prefix = _groups(stack, service, job)
    reading = log_groups.Tail(stack.session, tuple(named), begun, filter, prefix)
    width = max(map(len, named.values()))
    styles = {group: COLOURS[number % len(COLOURS)] for number, group in enumerate(named)}
    found = False
    while True:
        for line in reading.read():
            found = True
            console.show(f"{line.at:%H:%M:%S} {named[line.group]:{width}} {line.task[:8]} {line.text}", styles[line.group]
                         if len(named) > 1 and console.on_terminal(sys.stdout) else "")
        if not follow:
            break
        time.sleep(POLL)
    if not found:
        console.say(f"Nothing was said since {since} ago by {', '.join(named.values())}.")


def seconds(since: str) -> int:
    """``10m`` in seconds. Raises BadInput."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", since.strip())
    if not found:
        raise BadInput(f"--since {since!r}: a number and s, m, h or d was expected, for example 10m.")
    return int(found[1]) * UNITS[found[2]]


def _groups(stack: Stack, services: str, job: str) -> tuple[dict[str, str], str]:
    """Log group -> whose it is; and how the streams begin that are meant. Raises BadInput."""
    if not job:
        return {made["log_group"]: key for key, made in stack.services(services).items()}, ""
    if services:
        raise BadInput("Say services or a --job, not both.")
    from .core import jobs

    known = stack.outputs.get("jobs", {})
    made = known[job] if job in known else known.get("admin") if job in jobs.OWN else None
    if made is None:
        raise BadInput(f"There is no job {job} (there are: {', '.join([*jobs.OWN, *sorted(known)])}).")
    return {made["log_group"]: job}, f"{made['container']}/{made['container']}/"
