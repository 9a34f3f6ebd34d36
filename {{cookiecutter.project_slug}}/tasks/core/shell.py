"""A command in a container that runs: handed over to `aws ecs execute-command`, and in `local` to `docker exec`.

Both are programs and not libraries here: they hand the terminal over, with its size, its keys and its signals.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from .console import Failed, WentWrong
from .ecs_tasks import Task
from .session import Session

LABEL = "com.amazonaws.ecs.task-arn"  # ECS's agent puts it on each container, and so does the embedded AWS
SHELL = 'exec "$(command -v bash || echo sh)"'
AWS_CLI = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
PLUGIN = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
DOCKER = "https://docs.docker.com/engine/install/"


def require_tools(session: Session) -> None:
    """Raise Failed (1) with what is missing and where it is to be had."""
    if session.settings.is_local:
        if not shutil.which("docker"):
            raise Failed("The docker command is not installed; it opens the shell.", run=DOCKER)
        return
    if not shutil.which("aws"):
        raise Failed("The AWS CLI is not installed; it opens the shell.", run=AWS_CLI)
    if not shutil.which("session-manager-plugin"):
        raise Failed("The AWS CLI's session-manager-plugin is not installed; the shell comes through it.", run=PLUGIN)


def execute(session: Session, cluster: str, task: Task, container: str, command: str) -> int:
    """Run a command (empty: a shell) in a task's container, on this terminal; answers its exit code.

    `aws ecs execute-command` answers 0 when the command was started, whatever became of it.
    """
    if session.settings.is_local:
        return _in_docker(session, task, container, command)
    line = command or f"sh -c '{SHELL}'"
    return subprocess.run(
        ["aws", "ecs", "execute-command", "--cluster", cluster, "--task", task.id, "--container", container,
         "--interactive", "--command", line], env=session.environment, check=False).returncode


def _in_docker(session: Session, task: Task, container: str, command: str) -> int:
    found = subprocess.run(["docker", "ps", "--quiet", "--filter", f"label={LABEL}={task.arn}",
                            "--filter", "status=running"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise Failed(f"The Docker engine does not answer: {found.stderr.strip()}", run="invoke local.status")
    names = found.stdout.split()
    if not names:
        raise WentWrong(f"Task {task.id} has no container {container} that runs here.",
                        run=session.settings.command("service.status"))
    terminal = ["--tty"] if sys.stdin is not None and sys.stdin.isatty() else []
    return subprocess.run(["docker", "exec", "--interactive", *terminal, names[0], "sh", "-c", command or SHELL],
                          check=False).returncode
