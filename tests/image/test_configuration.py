"""The effective OWS configuration: includes put in their places, and the public address where none is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ows_jobs.configuration import effective
from ows_jobs.failures import Misconfigured

from real_image import IMAGE

FILES = {
    "s3://b/k/ows.json": {"global": {"allowed_urls": ""}, "layers": [{"include": "layers/one.json", "type": "json"}]},
    "s3://b/k/layers/one.json": {"name": "one", "styling": {"include": "../styles.json"}},
    "s3://b/k/layers/../styles.json": {"default_style": "s"},
    "s3://b/loop.json": {"global": {}, "layers": [{"include": "loop.json"}]},
    "s3://b/list.json": [],
    "s3://b/python.json": {"global": {"allowed_urls": ["https://own"]}, "layers": {"include": "m.o", "type": "python"}},
}


def read(address: str) -> bytes:
    return json.dumps(FILES[address]).encode()


def test_includes_are_found_beside_the_file_that_includes_them():
    configuration = effective("s3://b/k/ows.json", read)
    assert configuration["layers"] == [{"name": "one", "styling": {"default_style": "s"}}]


def test_an_include_of_python_is_left_to_ows():
    assert effective("s3://b/python.json", read)["layers"] == {"include": "m.o", "type": "python"}


def test_the_public_address_is_set_only_where_the_configuration_names_none():
    assert effective("s3://b/k/ows.json", read, "https://maps/")["global"]["allowed_urls"] == ["https://maps"]
    assert effective("s3://b/python.json", read, "https://maps/")["global"]["allowed_urls"] == ["https://own"]
    assert effective("s3://b/k/ows.json", read)["global"]["allowed_urls"] == ""


@pytest.mark.parametrize(("address", "says"), [("s3://b/loop.json", "includes itself"), ("s3://b/list.json", "is no OWS")])
def test_what_is_no_configuration_is_refused_by_name(address, says):
    with pytest.raises(Misconfigured, match=says) as caught:
        effective(address, read)
    assert address in str(caught.value)


def test_every_layer_has_cache_rules_and_a_published_native_crs():
    configuration = effective(str(IMAGE / "ows_config/ows.json"), lambda path: Path(path).read_bytes())
    published = configuration["global"]["published_CRSs"]
    assert {"EPSG:3857", "EPSG:4326"} <= set(published) and configuration["wms"]["caps_cache_maxage"] > 0
    for layer in configuration["layers"]:
        assert layer["native_crs"] in published
        assert layer["resource_limits"]["wms"]["dataset_cache_rules"]
