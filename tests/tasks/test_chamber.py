"""The chamber tasks as Invoke parses and runs them, on the embedded AWS."""

from __future__ import annotations

import io
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Callable

import pytest
from invoke import Program

import tasks
from driven_project import Answer, Watch
from tasks.core import keys, parameter_store, secret_input, settings
from tasks.core.session import Session

CANARY = "canary-Pw-51ZqT"


@pytest.fixture
def invoke_here(aws: Session, root, monkeypatch, capsys) -> Callable[..., Answer]:
    """`invoke_here("chamber.list", "svc")`: the task in this process, in the smallest project instead of the template."""
    load = settings.load
    monkeypatch.setattr(settings, "load", lambda workspace=None, root=root: load(workspace, root))

    def run(*words: str, input: str | bytes = "") -> Answer:
        content = input if isinstance(input, bytes) else input.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        monkeypatch.setattr(sys, "argv", ["invoke", *words])
        capsys.readouterr()
        try:
            Program(namespace=tasks.namespace).run(["invoke", *words])
            code = 0
        except SystemExit as ended:
            code = ended.code
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture
def store(aws: Session) -> Session:
    keys.create(aws)
    return aws


@pytest.fixture
def service(store: Session) -> str:
    return store.settings.chamber_service


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


def test_export_writes_to_stdout_or_a_file_of_its_owner(invoke_here, store, service, tmp_path):
    parameter_store.write_all(store, service, {"a-b": "it's\n", "c": CANARY})
    assert invoke_here("chamber.export", service).out == f'{{"a-b":"it\'s\\n","c":"{CANARY}"}}\n'
    assert invoke_here("chamber.export", service, "--format", "dotenv").out == f'A_B="it\'s\\n"\nC="{CANARY}"\n'
    file = tmp_path / "secrets.env"
    answer = invoke_here("chamber.export", service, "--format", "env", "--output", str(file))
    assert answer.out == "" and "2 secrets" in answer.err and "in plain text" in answer.err
    assert file.read_text() == f"export A_B='it'\"'\"'s\n'\nexport C={CANARY}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert invoke_here("chamber.export", service, "--output", str(file)).code == 3
    assert invoke_here("chamber.export", service, "--format", "yaml").code == 4
    assert invoke_here("chamber.export", service, "--encrypt").code == 4
    assert invoke_here("chamber.export", f"{service}-none").code == 4
    nowhere = invoke_here("chamber.export", service, "--output", str(tmp_path / "none" / "f"))
    assert nowhere.code == 1 and "Traceback" not in nowhere.err


def test_an_encrypted_backup_comes_back_into_another_service(invoke_here, store, service, tmp_path, monkeypatch):
    secrets = {"CASE": "a\r\nb\u2028\U0001f600", "k": CANARY}
    parameter_store.write_all(store, service, secrets)
    file = tmp_path / "backup.enc"
    without = invoke_here("chamber.export", service, "--output", str(file))
    assert without.code == 3 and secret_input.PASSPHRASE in without.err and not file.exists()

    monkeypatch.setenv(secret_input.PASSPHRASE, "correct horse")
    assert invoke_here("chamber.export", service, "--output", str(file)).code == 0
    assert CANARY.encode() not in file.read_bytes() and stat.S_IMODE(file.stat().st_mode) == 0o600
    back = invoke_here("chamber.import", f"{service}-b", str(file))
    assert back.out == f"Imported 2 secrets into {service}-b; 0 had their values already.\n"
    assert "lower-case keys only, so not CASE" in back.err
    assert parameter_store.values(store, f"{service}-b") == secrets
    again = invoke_here("chamber.import", f"{service}-b", "-", input=file.read_bytes())
    assert again.out == f"Imported 0 secrets into {service}-b; 2 had their values already.\n"

    monkeypatch.setenv(secret_input.PASSPHRASE, "wrong")
    wrong = invoke_here("chamber.import", f"{service}-c", str(file))
    assert wrong.code == 4 and "cannot be decrypted" in wrong.err
    assert parameter_store.values(store, f"{service}-c") == {}


@pytest.mark.parametrize(("text", "sentence"), [
    ('{"a": "fine", "b/c": "%s"}', "'b/c' cannot be a key"),
    ('{"a": "fine", "b": ""}', "The value of b is empty"),
    ('{"a": "fine", "b": 7}', "must be a text"),
    ("a: %s", "is not JSON"),
])
def test_an_import_with_anything_wrong_writes_nothing(invoke_here, store, service, text, sentence):
    answer = invoke_here("chamber.import", service, "-", input=text.replace("%s", CANARY))
    assert answer.code == 4 and sentence in answer.err and CANARY not in answer.err
    assert parameter_store.values(store, service) == {}


def test_an_import_can_write_keys_in_lower_case(invoke_here, store, service, tmp_path):
    assert invoke_here("chamber.import", service, "-", "--normalize-keys", input='{"CASE": "v"}').code == 0
    assert parameter_store.values(store, service) == {"case": "v"}
    twice = invoke_here("chamber.import", service, "-", "--normalize-keys", input='{"A": "v", "a": "w"}')
    assert twice.code == 4 and "more than one key is a in lower case" in twice.err
    assert invoke_here("chamber.import", service, str(tmp_path / "none")).code == 4


def test_an_import_leaves_out_where_the_database_is_of_the_services_that_terraform_writes_to(invoke_here, store, service):
    text = '{"db_hostname":"h","db_port":"1","db_database":"d","db_username":"u","db_password":"p","token":"t"}'
    answer = invoke_here("chamber.import", service, "-", input=text)
    assert answer.code == 0 and "Left out, since Terraform writes it: db_database, db_hostname, db_port.\n" in answer.err
    assert parameter_store.values(store, service) == {"db_username": "u", "db_password": "p", "token": "t"}
    assert invoke_here("chamber.import", store.settings.admin_service, "-", input=text).code == 0
    assert parameter_store.values(store, store.settings.admin_service) == {"db_password": "p", "token": "t"}
    other = invoke_here("chamber.import", f"{service}-b", "-", input=text)
    assert "Left out" not in other.err and len(parameter_store.values(store, f"{service}-b")) == 6


def test_an_import_over_a_parameter_of_another_type_is_refused_before_the_first_write(invoke_here, store, service, client):
    client("ssm").put_parameter(Name=f"/{service}/theirs", Value="old", Type="String")
    refused = invoke_here("chamber.import", service, "-", input='{"new": "v", "theirs": "other"}')
    assert refused.code == 4 and f"{service} has theirs (String) already" in refused.err
    assert parameter_store.values(store, service) == {"theirs": "old"}
    assert invoke_here("chamber.import", service, "-", input='{"new": "v", "theirs": "old"}').code == 0


@pytest.fixture
def prod(store, root, monkeypatch) -> Session:
    """A second workspace in the same account, reached as AWS is: by the caller's own credentials."""
    text = (root / "workspaces" / "dev.tfvars").read_text()
    for workspace in ("prod", "dev"):
        file = root / "workspaces" / f"{workspace}.tfvars"
        file.write_text(text.replace('workspace = "dev"', f'workspace = "{workspace}"'))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111111111111")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    from tasks.core import session

    session._made.cache_clear()
    made = session.connect(settings.load("prod", root), endpoint_from_env=True)
    keys.create(made)
    return made


def test_copy_shows_keys_asks_and_leaves_the_database_and_the_administration_out(invoke_here, store, service, prod):
    parameter_store.write_all(store, service, {"api_key": CANARY, "other": "v", "db_password": CANARY, "db_username": "u"})
    parameter_store.write_all(store, store.settings.admin_service, {"db_password": CANARY, "token": CANARY})
    words = ("chamber.copy", "--from-workspace", "local", "-w", "prod", "--endpoint-from-env")
    asked = invoke_here(*words)
    assert asked.code == 3 and f"{service} -> {prod.settings.id}: api_key, other\n" in asked.err
    assert CANARY not in asked.err + asked.out and parameter_store.values(prod, prod.settings.id) == {}

    assert invoke_here(*words, "--yes").out == f"Copied 2 secrets to {prod.settings.id}; 0 had their values already.\n"
    assert parameter_store.values(prod, prod.settings.id) == {"api_key": CANARY, "other": "v"}
    assert parameter_store.values(prod, prod.settings.admin_service) == {}
    named = invoke_here(*words, "--yes", "--service", store.settings.admin_service, "--key", "token")
    assert named.code == 0 and parameter_store.values(prod, prod.settings.admin_service) == {"token": CANARY}
    assert invoke_here(*words, "--yes", "--key", "none").code == 4
    same = invoke_here("chamber.copy", "--from-workspace", "local", "-w", "local", "--yes")
    assert same.code == 3 and "is the same service in both" in same.err


def test_diff_tells_keys_and_never_values(invoke_here, store, service, prod):
    words = ("chamber.diff", "--from-workspace", "local", "-w", "prod", "--endpoint-from-env")
    parameter_store.write_all(store, service, {"same": CANARY, "changed": CANARY, "gone": CANARY, "db_password": CANARY})
    parameter_store.write_all(prod, prod.settings.id, {"same": CANARY, "changed": "other", "new": "v", "db_password": "w"})
    answer = invoke_here(*words, "--json")
    assert answer.code == 2 and answer.json["different"] and CANARY not in answer.out + answer.err
    assert {row["key"]: row["state"] for row in answer.json["keys"]} == {
        "same": "same", "db_password": "same", "changed": "differs", "gone": "missing", "new": "added"}
    table = invoke_here(*words)
    assert table.code == 2 and "only in local" in table.out and "only in prod" in table.out and CANARY not in table.out
    for session, name, key in ((store, service, "gone"), (store, service, "changed"),
                               (prod, prod.settings.id, "new"), (prod, prod.settings.id, "changed")):
        parameter_store.delete(session, name, key)
    assert invoke_here(*words, "--json").code == 0


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
