"""Where the documents of `index` may lie: what Terraform lets through, a job can read, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ows_jobs.documents import Reader
from ows_jobs.failures import Misconfigured

from real_image import IMAGE


class Bucket:
    """A client of S3 that knows two objects."""

    def names(self, url: str) -> list[str]:
        return [name for name in ("s3://bucket/a/b/x.yaml", "s3://bucket/ab/y.yaml") if name.startswith(url)]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(Reader, "store", Bucket())
    return Reader()


def test_a_folder_of_the_file_system_is_searched_through(reader: Reader, tmp_path: Path):
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/x.odc-metadata.yaml", "a/b/y.odc-metadata.yaml", "a/b/z.txt"):
        (tmp_path / name).touch()
    found = [(tmp_path / name).as_uri() for name in ("a/b/y.odc-metadata.yaml", "a/x.odc-metadata.yaml")]
    assert list(reader.below(f"{tmp_path}/", "*.odc-metadata.yaml")) == found
    assert list(reader.below(str(tmp_path), "a/b/*.yaml")) == found[:1]
    assert list(reader.below(f"{tmp_path}/none", "*")) == []


@pytest.mark.parametrize(("source", "pattern", "found"), [
    ("s3://bucket", "a*/*.yaml", ["s3://bucket/a/b/x.yaml", "s3://bucket/ab/y.yaml"]),
    ("s3://bucket/a", "b/*.yaml", ["s3://bucket/a/b/x.yaml"]),
    ("s3://bucket/a/", "*", ["s3://bucket/a/b/x.yaml"]),
])  # fmt: skip
def test_a_pattern_is_matched_from_the_folder_of_a_bucket_on(reader: Reader, source: str, pattern: str, found: list[str]):
    assert list(reader.below(source, pattern)) == found


@pytest.mark.parametrize(("source", "taken"), [
    ("s3://bucket", True), ("s3://bucket/a", True), ("s3://bucket/a/", True), ("image/sample", True),
    ("/opt/data/x", True), ("/opt", True),
    ("https://example.com/a", False), ("http://example.com/x.yaml", False), ("sample", False), ("./sample", False),
    ("file:///opt/data", False),
])  # fmt: skip
def test_terraform_and_the_job_take_the_same_sources(reader: Reader, source: str, taken: bool):
    terraform = (IMAGE.parent / "variables_jobs.tf").read_text()
    said = re.search(r'each in var\.index : can\(regex\("(.+?)", each\.source', terraform)
    assert (re.search(said[1], source) is not None) is taken
    if taken:
        list(reader.below(source, "nothing"))
    else:
        with pytest.raises(Misconfigured, match="s3://bucket/folder, image/folder or /folder was expected"):
            list(reader.below(source, "nothing"))
