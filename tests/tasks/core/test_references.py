"""Names of images: a port is not a tag."""

from __future__ import annotations

import pytest

from tasks.core import references
from tasks.core.console import BadInput

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(("text", "repository", "tag", "digest", "host"), [
    ("localhost:5000/x", "localhost:5000/x", "", "", "localhost:5000"),
    ("localhost:5000/x:1", "localhost:5000/x", "1", "", "localhost:5000"),
    (f"localhost:5000/x@{DIGEST}", "localhost:5000/x", "", DIGEST, "localhost:5000"),
    (f"localhost:5000/a/b:1.0-rc@{DIGEST}", "localhost:5000/a/b", "1.0-rc", DIGEST, "localhost:5000"),
    ("ghcr.io/opendatacube/ows:1.9.14", "ghcr.io/opendatacube/ows", "1.9.14", "", "ghcr.io"),
    ("segment/chamber:3", "segment/chamber", "3", "", "docker.io"),
    ("datacube-wms:1", "datacube-wms", "1", "", "docker.io"),
    ("localhost/x", "localhost/x", "", "", "localhost"),
])  # fmt: skip
def test_a_name_is_taken_apart_and_put_together_again(text, repository, tag, digest, host):
    found = references.read(text)
    assert (found.repository, found.tag, found.digest, found.host) == (repository, tag, digest, host)
    assert str(found) == text


@pytest.mark.parametrize(
    "text", ["", "x:", "x@", "x@sha256:12", "X/y", "a b", "x:a:b", "x:" + "a" * 129, "-x", "x/", "/x", "x\n"])
def test_what_names_no_image_is_refused(text):
    with pytest.raises(BadInput, match="does not name an image"):
        references.read(text)


def test_an_address_of_ecr_tells_whose_it_is():
    found = references.read("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b:1")
    assert found.ecr == ("123456789012", "cn-north-1", "a/b")
    assert references.read("ghcr.io/a/b:1").ecr is None
