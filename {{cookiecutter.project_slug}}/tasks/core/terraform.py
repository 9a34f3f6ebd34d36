"""Terraform, and only Terraform: the one place that runs it.

python-terraform builds the command lines; what it does wrong with them on a current Terraform is cured in
``_CommandLine``. Long commands (plan, apply) are run by ``runs``; the short ones here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import events, runs
from .console import BadInput, Failed, TaskError
from .session import Session
from .settings import Settings

OLDEST = (1, 11)  # write-only arguments and the S3 lock file
INSTALL = "https://developer.hashicorp.com/terraform/install"

# What of the caller's Terraform settings still counts. The rest (TF_LOG prints secrets, TF_CLI_ARGS and TF_VAR_*
# change a plan behind the sidecar's back, TF_WORKSPACE and TF_DATA_DIR are ours) is left out.
KEPT = re.compile(r"TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_\w+|TOKEN_\w+|REATTACH_PROVIDERS|REGISTRY_\w+)")

REFUSED_VALUE = ("Invalid value for variable", "Invalid value for input variable")  # by its validation, by its type

PLACEHOLDER = "only-apply-needs-the-password"

# variable -> value that no file says and the tasks have looked up
Given = dict[str, Any]


class Terraform:
    """Terraform on one workspace of the project."""

    def __init__(self, session: Session):
        self.settings = session.settings
        self.environment = _environment(session)

    @property
    def data_dir(self) -> Path:
        """TF_DATA_DIR: each workspace has its own, so that no command ever reaches another one's state."""
        return self.settings.root / ".terraform" / self.settings.workspace

    def command(self, name: str, *arguments: str, **options: Any) -> list[str]:
        """The command line; options as python-terraform takes them: True is a bare flag, a list repeats, None goes."""
        return _command_line(self.settings.root, name, *arguments, **options)

    def run(self, name: str, *arguments: str, environment: dict[str, str] | None = None, root: Path | None = None,
            **options: Any) -> str:
        """Run a short command to its end; answers its output. Raises Failed with Terraform's own sentence.

        root  a working root; the project's own unless told
        """
        child = subprocess.Popen(self.command(name, *arguments, **options), cwd=root or self.settings.root,
                                 env={**self._environment(root), **(environment or {})},
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 encoding="utf-8", errors="replace", start_new_session=True)
        with _passing_interrupts_to(child):
            output, errors = child.communicate()
        if child.returncode:
            raise failure(f"terraform {name}", errors or output)
        return output

    def plan(self, out: Path, given: Given | None, root: Path | None = None, targets: Iterable[str] = ()) -> runs.Run:
        """Start a plan that is saved to ``out``; no right to decrypt a secret is needed for it.

        given    the variables that no file says; None for a root that has no variables
        root     a working root; the project's own unless told
        targets  plan for these addresses only
        """
        inputs = {"input": False} if given is None else self._inputs(given)
        only = list(targets) or None
        command = self.command("plan", json=True, detailed_exitcode=True, out=str(out), target=only, **inputs)
        return runs.start(self.settings, "plan", command, self._environment(root), root)

    def apply(self, plan: Path, db_password: str, root: Path | None = None, keep: Path | None = None,
              kind: str = "apply") -> runs.Run:
        """Start the apply of a saved plan in the root that it was made in. The password travels in the environment only.

        keep  the record by which the state is brought to the bucket meanwhile (``kept_state``)
        kind  as `runs.Run` has it: apply, or destroy
        """
        command = self.command("apply", str(plan), json=True, input=False)
        environment = {**self._environment(root), "TF_VAR_db_password": db_password}
        return runs.start(self.settings, kind, command, environment, root, keep)

    def output(self) -> dict[str, Any]:
        """Every output's value."""
        return {name: output["value"] for name, output in json.loads(self.run("output", json=True)).items()}

    def addresses(self) -> list[str]:
        """Every resource address in the state; none when there is no state yet."""
        try:
            return self.run("state list").splitlines()
        except Failed as error:
            if "No state file was found" not in error.message:
                raise
            return []

    def planned_arguments(self, plan: Path, root: Path | None = None) -> dict[str, dict]:
        """address -> what a saved plan would make it with, as far as that is known before the apply.

        What was set aside there and only waits for its end bears the address, too; it is left out.
        """
        changes = json.loads(self.run("show", str(plan), json=True, root=root))["resource_changes"]
        return {change["address"]: change["change"]["after"] or {} for change in changes if "deposed" not in change}

    def untaint(self, address: str) -> None:
        self.run("untaint", address)

    def state_rm(self, addresses: Iterable[str]) -> None:
        """Take resources out of the state; what they stand for stays in the account."""
        self.run("state rm", *addresses)

    def import_(self, address: str, id_: str, given: Given) -> None:
        """Put an existing object into the state."""
        self.run("import", address, id_, **self._inputs(given))

    def _environment(self, root: Path | None) -> dict[str, str]:
        """A working root has a data folder of its own: the backend is another one."""
        return {**self.environment, "TF_DATA_DIR": ".terraform"} if root else self.environment

    def _inputs(self, given: Given) -> dict[str, Any]:
        """The options with which Terraform reads the workspace's variables."""
        files = [str(file.relative_to(self.settings.root)) for file in self.settings.var_files]
        values = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()]
        return {"input": False, "var_file": files, "var": values}


def version() -> str:
    """Terraform's version. Raises Failed when it is missing or too old, with where to get it."""
    if not shutil.which("terraform"):
        raise Failed(f"Terraform is not installed: {OLDEST[0]}.{OLDEST[1]} or newer is needed.", run=INSTALL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    answer = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True, env=environment)
    try:
        found = json.loads(answer.stdout)["terraform_version"]
    except (ValueError, KeyError):  # a version manager's stand-in, for example, with no version chosen
        raise failure("terraform version", answer.stderr or answer.stdout) from None
    if tuple(map(int, found.split("-")[0].split(".")[:2])) < OLDEST:
        raise Failed(f"Terraform {found} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed.", run=INSTALL)
    return found


def failure(command: str, text: str) -> Failed:
    """Terraform's error text as one sentence: the first error's title and the lines below it, without its frame."""
    lines = [re.sub(r"^[│╷╵\s]+", "", line).strip() for line in text.splitlines()]
    start = next((number for number, line in enumerate(lines) if line.startswith("Error:")), None)
    said = [line for line in (lines[start:] if start is not None else lines) if line]
    return Failed(f"{command} failed. {' '.join(said)[:900] or 'It said nothing.'}")


def explain(run: runs.Run) -> TaskError:
    """Why a run failed, as one sentence from its event stream: BadInput for values that Terraform refused, else Failed."""
    found = events.errors(run.events())
    settings = run.settings
    if run.unsaved:
        return Failed(f"The state could not be brought to the bucket ({run.unsaved}); it waits on this disk. "
                      "Nothing is lost if that is done before anything else.", run=settings.command("recover"))
    if not found:
        if run.code is None or run.code < 0:
            return Failed("Terraform was killed. What it had made is in its state; what was in the making is looked for.",
                          run=settings.command("recover"))
        return failure(f"terraform {run.kind}", runs.stderr(run))
    if all(error["summary"] in REFUSED_VALUE for error in found):
        return BadInput(" ".join(dict.fromkeys(_refused_value(error, settings) for error in found)))
    sentences = []
    for error in found[:5]:
        where = f"{error['address']}: " if error.get("address") else ""
        sentences.append(f"{where}{error['summary']}. {' '.join(error.get('detail', '').split())}".strip())
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    return Failed(f"terraform {run.kind} failed. " + " ".join(dict.fromkeys(sentences)) + more)


def _refused_value(error: dict, settings: Settings) -> str:
    """The validation's own sentence, after the file and the line of the value where one of the workspace's files has it."""
    said = " ".join(error["detail"].partition("\n\nThis was checked by the validation rule")[0].split())
    place = error.get("range") or {}
    file = next((file for file in settings.var_files if settings.root / place.get("filename", "") == file), None)
    return f"{file.name}, line {place['start']['line']}: {said}" if file else said


@contextmanager
def _passing_interrupts_to(child: subprocess.Popen) -> Iterator[None]:
    """Ctrl-C or kill -TERM stops Terraform its own way, which is waited for; only then does it reach the task."""
    asked: list[int] = []

    def ask(number, _frame):
        if not asked:
            child.send_signal(signal.SIGINT)
        asked.append(number)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked:
        signal.raise_signal(asked[0])


def _environment(session: Session) -> dict[str, str]:
    environment = {name: value for name, value in session.environment.items()
                   if not name.startswith("TF_") or KEPT.fullmatch(name)}
    if not os.path.exists(environment.get("TF_CLI_CONFIG_FILE", "")):
        environment.pop("TF_CLI_CONFIG_FILE", None)  # Terraform would warn on every call
    workspace = session.settings.workspace
    return {
        **environment,
        "TF_WORKSPACE": workspace,
        "TF_DATA_DIR": f".terraform/{workspace}",
        "TF_VAR_db_password": PLACEHOLDER,  # everything but an apply does without
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }


def _command_line(root: Path, name: str, *arguments: str, **options: Any) -> list[str]:
    from python_terraform import IsFlagged
    from python_terraform import Terraform as CommandLine

    class Cured(CommandLine):
        """Without the library's guesses: it reads state files at every turn, and makes a command of any misspelt name."""

        def read_state_file(self, file_path=None):
            self.tfstate = None

        def __getattr__(self, name):
            raise AttributeError(name)

    flags = {key: IsFlagged if value is True else value for key, value in options.items()}
    return Cured(working_dir=str(root)).generate_cmd_string(name, *arguments, no_color=IsFlagged, **flags)
