"""Names and values that chamber or AWS would refuse, or change, are refused before AWS is called."""

from __future__ import annotations

import pytest

from tasks.core import chamber_rules, parameter_store
from tasks.core.console import BadInput


@pytest.mark.parametrize("service", ["a", "Proj-1.x_y/dev", "a/b/c", "_chamber", "-a"])
def test_a_service_is_taken_in_lower_case(service):
    assert chamber_rules.check_service(service) == service.lower()


@pytest.mark.parametrize("service", ["", "/a", "a/", "a//b", "a b", "a:label", "é", "a\n", "٣", "aws-x", "AWSx", "ssm-x/y"])
def test_what_cannot_be_a_service(service):
    with pytest.raises(BadInput, match="cannot be a chamber service"):
        chamber_rules.check_service(service)


@pytest.mark.parametrize("key", ["", "a/b", "a b", "a\n", "é", "a:b", "$a", "٣"])
def test_what_cannot_be_a_key(key):
    with pytest.raises(BadInput, match="cannot be a key"):
        chamber_rules.check_key(key)


def test_a_key_keeps_its_case_only_where_it_is_taken_exactly():
    assert chamber_rules.check_key("A.b-C") == "a.b-c"
    assert parameter_store.name("Svc", "A.b-C", exact_key=True) == "/svc/A.b-C"


def test_names_are_measured_whole():
    assert len(parameter_store.name("s", "k" * 1008)) == 1011
    with pytest.raises(BadInput, match="1012 characters; AWS allows 1011"):
        parameter_store.name("s", "k" * 1009)
    assert parameter_store.name("/".join("abcdefghijklmn"), "k").count("/") == 15
    with pytest.raises(BadInput, match="16 levels; AWS allows 15"):
        parameter_store.name("/".join("abcdefghijklmno"), "k")


@pytest.mark.parametrize("value", [" ", "{", "{{", "}} {{", "{ {x} }", "é" * 2048, "a\0b"])
def test_values_that_can_be_stored(value):
    assert chamber_rules.check_value(value, "k") == value


@pytest.mark.parametrize(("value", "sentence"), [
    ("", "The value of k is empty"),
    ("secret-7" * 513, "has 4104 bytes; a parameter holds 4096"),
    ("é" * 2049, "has 4098 bytes"),
    ("secret-7 {{ssm:x}}", "would take for the name of another parameter"),
    ("{{secret-7\n}}", "would take for the name of another parameter"),
    ("secret-7\ud800", "is not valid text"),
])
def test_values_that_cannot_and_are_not_repeated(value, sentence):
    with pytest.raises(BadInput, match=sentence) as refused:
        chamber_rules.check_value(value, "k")
    assert "secret-7" not in str(refused.value)
