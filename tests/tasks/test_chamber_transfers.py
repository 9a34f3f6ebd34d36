"""Secrets on their way: out to a file, back from one, into another workspace, and what two workspaces differ in."""

from __future__ import annotations

import stat

import pytest

from tasks.core import keys, parameter_store, secret_input, settings
from tasks.core.session import Session

CANARY = "canary-Pw-51ZqT"


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
