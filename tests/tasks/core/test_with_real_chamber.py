"""The real chamber and the tasks on one store: each reads what the other wrote, and counts its versions on."""

from __future__ import annotations

import json
import random
import re

import pytest

from real_chamber import RealChamber
from tasks.core import chamber_formats, keys, parameter_store
from tasks.core.session import Session

GOLDEN_VALUES = ["p@ss \"w\" $x `y` \\z!", "50%{x} ${y}", "it's", '{"k": [1, "x"]}', "\u00e9\u20ac\U0001f600\u2028\u2029",
                 "#no comment", "007", "true", "null", "~", "a\tb", "- a", "a: b", "yes", "0x1F", "1_000", "<a>&b</a>"]
PIECES = ['"', "'", "$", "$(id)", "`id`", "\\", "\\n", "\n", "\r\n", "\r", "\t", "\x01", "\x08", "\x1b[31m", "\x7f", "\x85",
          " ", "-", "--", "!", "#", ";", "&", "|", "<", ">", "%{x}", "${y}", "{", "}", "\u2028", "\u2029", "\U0001f600",
          "\u00e9", "\ufeff", "=", "a", "Z", "0", "export X=1", "*", "~"]


@pytest.fixture
def store(aws) -> Session:
    keys.create(aws)
    return aws


def hostile_secrets(seed: int) -> dict[str, str]:
    """25 keys and values; the keys make 25 different variables."""
    chance = random.Random(seed)
    shapes = ["-dash{}", "_under{}", ".dot.{}", "a-b_c.{}", "k{}", "x{}" + "y" * 200, "--{}.."]
    made = {}
    for number in range(25):
        value = "".join(chance.choices(PIECES, k=chance.randint(1, 12))) if number % 3 else chance.choice(GOLDEN_VALUES)
        made[chance.choice(shapes).format(f"{number}n")] = {0: " ", 1: "-", 2: "\n"}.get(number % 11, "") + value
    return made


def as_yaml_takes_it(secrets: dict[str, str]) -> str:
    """JSON that is YAML, too, which chamber's import reads: what YAML would fold or refuse is escaped."""
    text = json.dumps(secrets, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def since_3(dotenv: str) -> str:
    """Chamber 2 escaped each exclamation mark, too."""
    return dotenv.replace("\\!", "!")


def history(chamber: RealChamber, service: str, key: str) -> list[tuple[str, int]]:
    lines = chamber("history", "--", service, key).splitlines()[1:]
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def test_hostile_secrets_read_the_same_whoever_wrote_them(store, real_chamber):
    """8 services of 25 secrets: half of each by the tasks, half by chamber; in turns one by one and all at once."""
    for number in range(8):
        service = f"{store.settings.id}/fuzz{number}"
        wanted = hostile_secrets(number)
        ours, theirs = dict(list(wanted.items())[::2]), dict(list(wanted.items())[1::2])
        if number % 2:
            parameter_store.write_all(store, service, ours)
            real_chamber("import", service, "-", input=as_yaml_takes_it(theirs))
        else:
            for key, value in ours.items():
                assert parameter_store.write(store, service, key, value) == 1
            for key, value in theirs.items():
                real_chamber("write", "--", service, key, "-", input=value)

        read = parameter_store.values(store, service)
        assert read == wanted
        assert json.loads(real_chamber("export", service)) == wanted
        assert chamber_formats.to_json(read) == real_chamber("export", "--format", "json", service)
        assert chamber_formats.to_dotenv(read) == since_3(real_chamber("export", "--format", "dotenv", service))
        assert chamber_formats.to_env(read) == real_chamber("env", service)


def test_versions_and_history_go_on_from_each_other(store, real_chamber):
    service = store.settings.id
    assert parameter_store.write(store, service, "k", "ours 1") == 1
    real_chamber("write", service, "k", "theirs 2")
    assert parameter_store.version(store, service, "k") == 2
    assert parameter_store.write_all(store, service, {"k": "ours 3"}) == ["k"]
    real_chamber("import", service, "-", input='{"k": "theirs 4"}')
    assert parameter_store.write(store, service, "k", "ours 5") == 5

    ours = [(event.event, event.version) for event in parameter_store.history(store, service, "k")]
    assert ours == history(real_chamber, service, "k")
    assert ours == [("Created", 1), ("Updated", 2), ("Updated", 3), ("Updated", 4), ("Updated", 5)]
    for version, value in {1: "ours 1", 2: "theirs 2", 3: "ours 3", 4: "theirs 4", 5: "ours 5"}.items():
        assert parameter_store.secret(store, service, "k", version).value == value
        assert real_chamber("read", "--quiet", "--version", str(version), service, "k") == f"{value}\n"


def test_both_list_the_same_secrets_and_services(store, real_chamber):
    service = f"{store.settings.id}-x"
    real_chamber("write", service, "Their.Key", "v")
    parameter_store.write(store, service, "Our_Key", "v")
    parameter_store.write(store, f"{service}/below", "deeper", "v")
    parameter_store.write(store, store.settings.id, "beside", "v")

    listed = [line.split()[:2] for line in real_chamber("list", service).splitlines()[1:]]
    ours = parameter_store.secrets(store, service)
    # AWS answers one level only, as asked; the embedded AWS all of them, which chamber takes as it comes
    assert [[each.key, str(each.version)] for each in ours] == [each for each in listed if each[0] != "deeper"]
    assert [each.key for each in ours] == ["our_key", "their.key"] and not any(each.value for each in ours)
    assert real_chamber("list-services", service).split()[1:] == parameter_store.list_services(store, service)
    assert parameter_store.list_services(store, service.upper()) == [service, f"{service}/below"]


def test_an_import_keeps_the_keys_case_as_chambers_does(store, real_chamber):
    ours, theirs = f"{store.settings.id}-ours", f"{store.settings.id}-theirs"
    parameter_store.write_all(store, ours, {"CASE": "v"})
    real_chamber("import", theirs, "-", input='{"CASE": "v"}')
    assert real_chamber("export", ours) == real_chamber("export", theirs) == '{"CASE":"v"}\n'
    assert parameter_store.read(store, ours, "CASE") is None and real_chamber.run("read", ours, "CASE").returncode
    assert parameter_store.read(store, theirs, "CASE", exact_key=True) == "v"
    parameter_store.delete(store, theirs, "CASE", exact_key=True)
    assert real_chamber("export", theirs) == "{}\n"


def test_what_one_deletes_the_other_does_not_find(store, real_chamber):
    service = store.settings.id
    real_chamber("write", service, "theirs", "v")
    parameter_store.write(store, service, "ours", "v")
    parameter_store.delete(store, service, "Theirs")
    real_chamber("delete", service, "OURS")
    assert parameter_store.values(store, service) == {} and real_chamber("export", service) == "{}\n"


def test_the_layout_on_the_wire_is_chambers(store, real_chamber, client):
    service = store.settings.id
    real_chamber("write", service, "theirs", "v")
    parameter_store.write(store, service, "ours", "v")
    found = client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Path", "Option": "OneLevel", "Values": [f"/{service}"]}])["Parameters"]
    ours, theirs = sorted(found, key=lambda each: each["Name"])
    for each in found:
        del each["Name"], each["LastModifiedDate"]
        each.pop("ARN", None)
    assert ours == theirs and ours["Type"] == "SecureString" and ours["KeyId"] == store.settings.key_alias
