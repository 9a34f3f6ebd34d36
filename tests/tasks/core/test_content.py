"""The tag of an image: the same for the same content on every machine, another one for any other content."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

import tiny_images
from tasks.core import images, settings
from tasks.core.console import BadInput

DOCKERFILE = "FROM scratch\nCOPY a /a\n"


@pytest.fixture
def dev(root):
    tiny_images.give(root, DOCKERFILE, a=b"one")
    (root / "image" / "a").chmod(0o644)
    return settings.load("dev", root)


def test_a_tag_is_the_version_and_a_hash_and_needs_no_engine(dev, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert re.fullmatch(r"1\.9\.14-[0-9a-f]{12}", images.content_tag(dev))


def test_what_does_not_go_in_does_not_count(dev):
    before = images.content_tag(dev)
    file = dev.root / "image" / "a"
    os.utime(file, (1, 1))
    file.chmod(0o600)
    (dev.root / "image" / "empty").mkdir()
    labelled = replace(dev, project=replace(dev.project, template={"version": "9"}, owner="x@example.com"))
    assert images.content_tag(labelled) == before


@pytest.mark.parametrize("change", [
    lambda image: (image / "a").write_bytes(b"two"),
    lambda image: (image / "a").chmod(0o755),
    lambda image: (image / "a").rename(image / "b"),
    lambda image: (image / "Dockerfile").write_text(DOCKERFILE + "USER 1000\n"),
    lambda image: (image / "link").symlink_to("a"),
    lambda image: (image / "folder").mkdir() or (image / "folder" / "x").touch(),
])  # fmt: skip
def test_whatever_goes_in_counts(dev, change):
    before = images.content_tag(dev)
    change(dev.root / "image")
    assert images.content_tag(dev) != before


@pytest.mark.parametrize("changed", [{"ows_version": "1.9.15"}, {"chamber_version": "3.1.4"}])
def test_the_versions_count(dev, changed):
    assert images.content_tag(replace(dev, project=replace(dev.project, **changed))) != images.content_tag(dev)


def test_the_architecture_counts(dev):
    arm = replace(dev, variables={**dev.variables, "instance_type": "t4g.medium"})
    assert images.content_tag(arm) != images.content_tag(dev)


def test_what_dockerignore_leaves_out_does_not_count_but_the_dockerfile_always_does(dev):
    image = dev.root / "image"
    (image / ".dockerignore").write_text("# a comment\n\n**/*.pyc\nDockerfile\n.dockerignore\nnotes/*\n!notes/kept\n")
    before = images.content_tag(dev)
    (image / "notes").mkdir()
    for name in ("a.pyc", "notes/x"):
        (image / name).write_bytes(b"x")
    assert images.content_tag(dev) == before
    (image / "notes" / "kept").touch()
    kept = images.content_tag(dev)
    assert kept != before
    (image / "Dockerfile").write_text(DOCKERFILE + "USER 1\n")
    assert images.content_tag(dev) != kept


def test_what_stands_in_two_files_is_not_what_stands_in_one(dev):
    image = dev.root / "image"
    (image / "a").write_bytes(b"b\0file\0x")
    (image / "b").write_bytes(b"")
    first = images.content_tag(dev)
    (image / "a").write_bytes(b"")
    (image / "b").write_bytes(b"b\0file\0x")
    assert images.content_tag(dev) != first


def test_another_process_with_another_order_of_everything_finds_the_same(dev):
    program = ("import sys, pathlib; from tasks.core import images, settings; "
               "print(images.content_tag(settings.load('dev', pathlib.Path(sys.argv[1]))))")
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(settings.ROOT), "LC_ALL": "C"}
        done = subprocess.run([sys.executable, "-c", program, str(dev.root)], cwd=dev.root, env=environment,
                              capture_output=True, text=True)
        assert done.stdout.strip() == images.content_tag(dev), done.stderr


def test_a_project_without_a_dockerfile_or_a_version_is_told_so(dev):
    with pytest.raises(BadInput, match="must say ows_version"):
        images.content_tag(replace(dev, project=replace(dev.project, ows_version="")))
    (dev.root / "image" / "Dockerfile").unlink()
    with pytest.raises(BadInput, match="image/Dockerfile is missing"):
        images.content_tag(dev)
