"""Exports as chamber 3.1.4 writes them, byte for byte, and imports that change no value."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import chamber_formats
from tasks.core.console import BadInput

# Inputs and output of the real chamber 3.1.4
GOLDEN = json.loads(Path(__file__).with_name("chamber-3.1.4-golden.json").read_text())


@pytest.mark.parametrize(("ours", "theirs"), [("json", "export json"), ("dotenv", "export dotenv"), ("env", "env")])
def test_each_format_is_what_chamber_writes(ours, theirs):
    assert chamber_formats.FORMATS[ours](GOLDEN["input"]) == GOLDEN["output"][theirs]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1), st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_json_gives_every_value_back(secrets):
    assert chamber_formats.from_json(chamber_formats.to_json(secrets), "f") == secrets


def test_a_shell_takes_env_back_unchanged():
    values = {f"k{number}": value for number, value in enumerate(GOLDEN["input"].values())}
    script = chamber_formats.to_env(values) + "".join(f'printf "%s\\0" "$K{number}"\n' for number in range(len(values)))
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(values.values())


@pytest.mark.parametrize("format", ["dotenv", "env"])
@pytest.mark.parametrize(("secrets", "sentence"), [
    ({"1x": "secret-7"}, "The key 1x makes no environment variable"),
    ({"a-b": "secret-7", "a_b": "secret-8"}, "The keys a-b and a_b are one environment variable, A_B"),
])
def test_a_key_that_makes_no_variable_of_its_own_is_refused(format, secrets, sentence):
    with pytest.raises(BadInput, match=sentence) as refused:
        chamber_formats.FORMATS[format](secrets)
    assert "secret-" not in str(refused.value)


@pytest.mark.parametrize(("text", "sentence"), [
    ("", r"f is not JSON \(line 1, column 1\)"),
    ("k: secret-7", "f is not JSON"),
    ('{"k": "secret-7"} more', "f is not JSON"),
    ('["secret-7"]', "must hold one JSON object"),
    ('"secret-7"', "must hold one JSON object"),
    ('{"k": 0123}', "f is not JSON"),
    ('{"k": 123}', "the value of 'k' must be a text"),
    ('{"k": true}', "the value of 'k' must be a text"),
    ('{"k": null}', "the value of 'k' must be a text"),
    ('{"k": {"secret-7": "x"}}', "the value of 'k' must be a text"),
    ('{"k": "secret-7", "k": "secret-8"}', "holds the key 'k' twice"),
])
def test_what_is_no_object_of_texts_is_refused_and_not_repeated(text, sentence):
    with pytest.raises(BadInput, match=sentence) as refused:
        chamber_formats.from_json(text, "f")
    assert "secret-" not in str(refused.value)
