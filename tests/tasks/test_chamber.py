"""The chamber tasks on one secret and one service, as Invoke parses and runs them, on the embedded AWS."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from driven_project import Watch
from tasks.core import keys, parameter_store

CANARY = "canary-Pw-51ZqT"


@pytest.mark.parametrize(("given", "stored"), [
    ("plain", "plain"), ("plain\n", "plain"), ("plain\r\n", "plain"), (" spaced \n", " spaced "), ("\\n", "\\n"),
    ("two\nlines", "two\nlines"), ("two\r\nlines\r\n", "two\r\nlines\r\n"), ("ends twice\n\n", "ends twice\n\n"),
])
def test_a_single_line_loses_its_end_and_several_are_kept(invoke_here, store, service, given, stored):
    answer = invoke_here("chamber.write", service, "K", input=given)
    assert (answer.code, answer.out) == (0, "") and f"Written: /{service}/k, version 1" in answer.err
    assert parameter_store.read(store, service, "k") == stored


def test_singleline_takes_the_first_line_and_skip_unchanged_makes_no_version(invoke_here, store, service):
    assert invoke_here("chamber.write", service, "k", "--singleline", input="first\nsecond\n").code == 0
    assert parameter_store.read(store, service, "k") == "first"
    unchanged = invoke_here("chamber.write", service, "k", "--skip-unchanged", input="first\n")
    assert unchanged.code == 0 and "has this value already" in unchanged.err
    assert parameter_store.version(store, service, "k") == 1
    assert invoke_here("chamber.write", service, "k", "--skip-unchanged", input="other").code == 0
    assert parameter_store.version(store, service, "k") == 2


@pytest.mark.parametrize("words", [(CANARY,), ("--singleline", CANARY), (CANARY, "-w", "local"), ("--", CANARY),
                                   (f"-{CANARY}",), (f"--value={CANARY}",)])
def test_a_value_on_the_command_line_is_refused_and_not_repeated(invoke_here, store, service, words):
    answer = invoke_here("chamber.write", service, "k", *words, input="x")
    assert (answer.code, answer.out) == (4, "")
    assert "never given" in answer.err and CANARY not in answer.err
    assert parameter_store.version(store, service, "k") is None


def test_chambers_own_dash_for_stdin_is_answered_in_its_own_words(invoke_here, service):
    answer = invoke_here("chamber.write", service, "k", "-", input="x")
    assert answer.code == 4 and "leave out the -" in answer.err


def test_help_needs_no_arguments(invoke_here):
    for task in ("chamber.write", "chamber.list-services"):
        assert f" {task} " in invoke_here("--help", task).out


@pytest.mark.parametrize(("words", "input", "sentence"), [
    (("svc", "a/b"), "v", "'a/b' cannot be a key"),
    (("ssm-svc", "k"), "v", "AWS keeps names"),
    (("svc", "k"), "", "is empty"),
    (("svc", "k"), CANARY * 500, "a parameter holds 4096"),
    (("svc", "k"), f"{{{{{CANARY}}}}}", "the name of another parameter"),
    (("svc", "k"), b"\xff" + CANARY.encode(), "stdin is not UTF-8 text"),
])
def test_bad_names_and_values_are_refused_without_repeating_them(invoke_here, store, words, input, sentence):
    answer = invoke_here("chamber.write", *words, input=input)
    assert answer.code == 4 and sentence in answer.err and CANARY not in answer.err + answer.out


def test_without_a_usable_key_nothing_is_asked_or_written(invoke_here, aws):
    missing = invoke_here("chamber.write", aws.settings.chamber_service, "k", input=CANARY)
    assert missing.code == 3 and f"There is no {aws.settings.key_alias}" in missing.err and "invoke bootstrap" in missing.err
    key = keys.create(aws)
    aws.client("kms").disable_key(KeyId=key.id)
    disabled = invoke_here("chamber.write", aws.settings.chamber_service, "k", input=CANARY)
    assert disabled.code == 3 and "is disabled" in disabled.err and "invoke kms.rescue" in disabled.err


def test_read_shows_one_value(invoke_here, store, service):
    for value in ("first", CANARY):
        parameter_store.write(store, service, "k", value)
    assert invoke_here("chamber.read", service, "K", "--quiet").out == f"{CANARY}\n"
    assert invoke_here("chamber.read", service, "k", "-q", "--version", "1").out == "first\n"
    table = invoke_here("chamber.read", service, "k").out
    assert table.split()[:5] == ["Key", "Value", "Version", "LastModified", "User"] and CANARY in table
    read = invoke_here("chamber.read", service, "k", "--json").json
    assert (read["service"], read["key"], read["value"], read["version"]) == (service, "k", CANARY, 2)
    assert invoke_here("chamber.read", service, "none").code == 4
    assert invoke_here("chamber.read", service, "k", "--version", "x").code == 4


def test_list_masks_values_unless_asked(invoke_here, store, service):
    parameter_store.write(store, service, "k", CANARY)
    masked = invoke_here("chamber.list", service).out
    assert masked.split()[:5] == ["Key", "Version", "LastModified", "User", "Value"]
    assert CANARY not in masked and len(CANARY) * "*" not in masked
    assert re.search(r"^ *k +1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\S+ +\*+", masked, re.MULTILINE)
    assert CANARY in invoke_here("chamber.list", service, "-e").out
    [quiet] = invoke_here("chamber.list", service, "--json").json["secrets"]
    assert "value" not in quiet and quiet["version"] == 1
    assert invoke_here("chamber.list", service, "--json", "--expand").json["secrets"][0]["value"] == CANARY
    empty = invoke_here("chamber.list", f"{service}-none")
    assert empty.code == 0 and "has no secrets" in empty.err


def test_list_services_takes_a_prefix_or_none(invoke_here, store, service):
    for name in (service, f"{service}/below", f"{service}-admin"):
        parameter_store.write(store, name, "k", CANARY)
    expected = [service, f"{service}-admin", f"{service}/below"]
    assert invoke_here("chamber.list-services", service).out.split() == expected
    assert invoke_here("chamber.list-services", "--prefix", f"{service}-").out.split() == [f"{service}-admin"]
    assert invoke_here("chamber.list-services", "-w", "local", f"{service}/b", "--json").json["services"] == expected[2:]
    assert set(invoke_here("chamber.list-services").out.split()) >= set(expected)
    assert invoke_here("chamber.list-services", "two", "words").code == 1


def test_history_is_chambers(invoke_here, store, service):
    for value in ("one", CANARY):
        parameter_store.write(store, service, "k", value)
    found = invoke_here("chamber.history", service, "K", "--json").json["history"]
    assert [(each["event"], each["version"]) for each in found] == [("Created", 1), ("Updated", 2)]
    table = invoke_here("chamber.history", service, "k").out
    assert table.split()[:4] == ["Event", "Version", "Date", "User"] and CANARY not in table


def test_delete_asks(invoke_here, store, service):
    parameter_store.write(store, service, "k", CANARY)
    parameter_store.write_all(store, service, {"CASE": "v"})
    refused = invoke_here("chamber.delete", service, "k", input="y\n")
    assert refused.code == 3 and f"Delete /{service}/k (version 1)" in refused.err and "add --yes" in refused.err
    assert invoke_here("chamber.delete", service, "CASE", "--yes").code == 4
    assert invoke_here("chamber.delete", service, "CASE", "--yes", "--exact-key").code == 0
    assert invoke_here("chamber.delete", service, "K", "--yes").out == f"Deleted: /{service}/k\n"
    assert parameter_store.values(store, service) == {}


class Typing:
    """A baked project's `invoke` on a terminal of its own, where somebody types."""

    def __init__(self, command: list[str], folder, environment: dict[str, str]):
        self.ours, theirs = pty.openpty()
        self.child = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
                                      start_new_session=True)
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        while text not in self.shown:
            self._read()
        self.shown = self.shown.partition(text)[2]

    def type(self, line: str) -> None:
        os.write(self.ours, f"{line}\n".encode())

    def end(self) -> tuple[int, str]:
        try:
            while True:
                self._read()
        except OSError:  # the terminal's other side is closed
            os.close(self.ours)
        return self.child.wait(60), self.shown

    def _read(self) -> None:
        self.shown += os.read(self.ours, 4096).decode()


def test_the_value_is_asked_for_twice_hidden_and_in_no_command_line(invoke, aws, slug):
    """The whole way, as a user goes: in a process and on a terminal of its own."""
    file = invoke.folder / "workspaces" / "local.tfvars"
    text, count = re.subn(r'"alias/[^"]+"', f'"{aws.settings.key_alias}"', file.read_text())
    file.write_text(text if count else f'{text}\nparameter_store_key_alias = "{aws.settings.key_alias}"\n')
    keys.create(aws)
    watch = Watch(CANARY)
    watch.start()
    command = invoke.command("chamber.write", slug, "k")
    environment = invoke.environment(AWS_ENDPOINT_URL=aws.endpoint)

    good = Typing(command, invoke.folder, environment)
    good.wait_for(f"Value of /{slug}/k: ")
    good.type(CANARY)
    good.wait_for("Again: ")
    good.type(CANARY)
    code, shown = good.end()
    assert code == 0 and f"Written: /{slug}/k, version 1" in shown and CANARY not in shown
    assert parameter_store.read(aws, slug, "k") == CANARY

    differing = Typing(command, invoke.folder, environment)
    differing.wait_for("Value of")
    differing.type(CANARY)
    differing.wait_for("Again: ")
    differing.type(f"{CANARY}!")
    code, shown = differing.end()
    assert code == 4 and "The two differ; nothing was written." in shown and CANARY not in shown

    piped = invoke("chamber.write", slug, "k", input=f"{CANARY}\n", AWS_ENDPOINT_URL=aws.endpoint)
    assert piped.returncode == 0 and CANARY not in piped.stdout + piped.stderr
    watch.end()
    assert parameter_store.version(aws, slug, "k") == 2
    assert watch.looks > 3 and watch.found == []
