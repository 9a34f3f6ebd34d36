"""The file of pinned images: whole or not at all, the same for the same content, and never back in time unseen."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

import real_registry
import tiny_images
from tasks.core import images, pins, registry, session, settings
from tasks.core.console import BadInput, Refused

A, B = (f"ghcr.io/org/name@sha256:{letter * 64}" for letter in "ab")


@pytest.fixture
def root(root):
    tiny_images.give(root, "FROM scratch\n")
    return root


@pytest.fixture
def dev(root):
    return settings.load("dev", root)


def with_services(settings_, **services):
    return replace(settings_, variables={**settings_.variables, "services": services})


def test_the_services_with_an_image_of_their_own_take_none(dev):
    assert pins.services(with_services(dev, ows={"image": None}, own={"image": A}, other={})) == ["other", "ows"]


def test_writing_keeps_the_other_entries_and_sorts(dev):
    assert pins.write(dev, {"ows": A}) and pins.write(dev, {"map": B})
    assert dev.images_file.read_text() == f'{{\n  "images": {{\n    "map": "{B}",\n    "ows": "{A}"\n  }}\n}}\n'
    assert pins.read(dev) == {"map": B, "ows": A}
    assert settings.load("dev", dev.root).images == {"map": B, "ows": A}


def test_writing_what_is_there_touches_nothing(dev):
    pins.write(dev, {"ows": A})
    before = dev.images_file.stat()
    assert pins.write(dev, {"ows": A}) is False
    assert dev.images_file.stat().st_mtime_ns == before.st_mtime_ns and dev.images_file.stat().st_ino == before.st_ino


def test_what_else_the_file_holds_for_terraform_stays(dev):
    dev.images_file.write_text(json.dumps({"zones": 3, "images": {"ows": A}}))
    pins.write(dev, {"ows": B})
    assert json.loads(dev.images_file.read_text()) == {"zones": 3, "images": {"ows": B}}


def test_the_file_may_be_read_by_others_and_keeps_its_mode(dev):
    pins.write(dev, {"ows": A})
    assert dev.images_file.stat().st_mode & 0o777 == 0o644
    dev.images_file.chmod(0o664)
    pins.write(dev, {"ows": B})
    assert dev.images_file.stat().st_mode & 0o777 == 0o664


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_beside_it(dev, monkeypatch):
    pins.write(dev, {"ows": A})
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError):
        pins.write(dev, {"ows": B})
    assert pins.read(dev) == {"ows": A}
    assert [file.name for file in dev.images_file.parent.iterdir() if "images" in file.name] == [dev.images_file.name]


def test_dropping_leaves_the_others_and_makes_no_file(dev):
    assert pins.drop(dev, ["ows"]) is False and not dev.images_file.exists()
    pins.write(dev, {"ows": A, "map": B})
    assert pins.drop(dev, iter(["ows"])) and pins.read(dev) == {"map": B}


@pytest.mark.parametrize("earlier", [None, b'{"images": {"ows": "r@sha256:2"}}'])
def test_what_is_not_carried_through_leaves_the_file_as_it_was(dev, earlier):
    """Written by hand, too: byte for byte, and no moment without it."""
    if earlier:
        dev.images_file.write_bytes(earlier)
    for error in (Refused("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)), pins.put_back_on_failure(dev):
            pins.write(dev, {"ows": A})
            raise error
        assert (dev.images_file.read_bytes() if dev.images_file.exists() else None) == earlier
    with pins.put_back_on_failure(dev):
        pins.write(dev, {"ows": A})
    assert pins.read(dev) == {"ows": A}


def test_putting_back_is_whole_or_not_at_all(dev, monkeypatch):
    pins.write(dev, {"ows": A})
    with pytest.raises(OSError), pins.put_back_on_failure(dev):
        pins.write(dev, {"ows": B})
        monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        raise Refused("no")
    assert pins.read(dev) == {"ows": B}


def test_a_pin_of_another_workspace_is_known(dev, root):
    pins.write(dev, {"ows": A})
    assert pins.pinned_elsewhere(dev, A) == []
    pins.write(settings.load("local", root), {"other": A, "ows": B})
    (root / "workspaces" / "old.images.tfvars.json").write_text("damaged")
    assert pins.pinned_elsewhere(dev, A) == ["local.images.tfvars.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images": []}', '{"images": {"ows": 1}}'])
def test_a_damaged_file_is_not_written_over(dev, content):
    dev.images_file.write_text(content)
    with pytest.raises(BadInput, match="Restore it from git"):
        pins.write(dev, {"ows": A})
    assert dev.images_file.read_text() == content


# --- back in time


@pytest.fixture
def in_ecr(aws, client, root):
    """`in_ecr("a")` puts an image's record into ECR; answers its address. Each is a second younger than the one before."""
    registry.ensure(aws)
    dev = replace(settings.load("dev", root), account="000000000000")
    repository, name = registry.repository(dev), dev.project.slug

    def put(tag: str) -> str:
        manifest = json.dumps({"schemaVersion": 2, "tag": tag, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
        made = client("ecr").put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)["image"]["imageId"]
        return f"{repository}@{made['imageDigest']}"

    return put


def dated(monkeypatch, **ages):
    """The embedded AWS dates images of one second alike: their order is given here, the calls are real."""
    described = registry._describe
    moments = {image: datetime(2026, 1, 1, tzinfo=timezone.utc) - timedelta(days=age) for image, age in ages.values()}

    def describe(session_, reference):
        found = described(session_, reference)
        return found and {**found, "imagePushedAt": moments[str(reference)]}

    monkeypatch.setattr(registry, "_describe", describe)


def test_an_older_digest_than_the_running_one_is_refused_and_may_be_allowed(aws, in_ecr, monkeypatch):
    older, newer = in_ecr("older"), in_ecr("newer")
    dated(monkeypatch, older=(older, 2), newer=(newer, 1))
    pins.write(aws.settings, {"ows": older})
    with pytest.raises(Refused) as refused:
        pins.require_not_older(aws, {"ows": newer})
    assert older in refused.value.message and newer in refused.value.message and "--allow-older" in refused.value.message
    assert refused.value.run == "invoke docker.digest"
    pins.require_not_older(aws, {"ows": newer}, allow_older=True)


def test_a_checkout_that_gives_an_older_image_is_told_both_ways(aws, in_ecr, monkeypatch):
    """A revert gives the image of before, which was pushed before: a git pull would not help who wants it."""
    older, newer = in_ecr("older"), in_ecr("newer")
    dated(monkeypatch, older=(older, 2), newer=(newer, 1))
    pins.write(aws.settings, {"ows": older})
    with pytest.raises(Refused, match="this checkout's image is older than the one that runs") as refused:
        pins.require_not_older(aws, {"ows": newer}, of_checkout=True)
    assert older in refused.value.message and newer in refused.value.message and "a revert" in refused.value.message
    assert refused.value.run == "git pull, or invoke deploy --allow-older"


def test_a_newer_the_same_or_an_unknown_one_is_not(aws, in_ecr, monkeypatch, capsys):
    older, newer = in_ecr("older"), in_ecr("newer")
    dated(monkeypatch, older=(older, 2), newer=(newer, 1))
    pins.require_not_older(aws, {"ows": newer})
    pins.write(aws.settings, {"ows": newer})
    for running in ({}, {"ows": newer}, {"ows": older}, {"other": older}, {"ows": A}):
        pins.require_not_older(aws, running)
    assert capsys.readouterr().err == ""
    gone = newer.partition("@")[0] + "@sha256:" + "e" * 64
    pins.require_not_older(aws, {"ows": gone})
    assert "which is older cannot be told here" in capsys.readouterr().err


def test_elsewhere_the_engine_tells_and_without_one_there_is_a_warning(
        root, slug, docker_engine, registry_tools, tmp_path, monkeypatch, capsys):
    there = real_registry.Registry(tmp_path / "registry", login=False).start()
    try:
        pinned = []
        for content in (b"1", b"2"):
            tiny_images.give(root, "FROM scratch\nCOPY a /a\n", a=content)
            dev = settings.load("dev", root)
            dev = replace(dev, project=replace(dev.project, image_repository=f"{there.address}/{slug}"))
            images.build(dev, lambda line: None)
            here = session.Session(dev, {}, None)
            pinned.append(registry.push(here, images.content_tag(dev), lambda event: None).image)
        older, newer = pinned
        pins.write(dev, {"ows": older})
        with pytest.raises(Refused, match="older image than the one that runs"):
            pins.require_not_older(here, {"ows": newer})
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
        pins.require_not_older(here, {"ows": newer})
        assert "cannot be told here" in capsys.readouterr().err
    finally:
        there.kill()
        monkeypatch.undo()
        tiny_images.forget(slug)


def test_the_file_is_one_that_terraform_takes(dev, need, tmp_path):
    need("terraform")
    pins.write(dev, {"ows": A})
    (tmp_path / "main.tf").write_text('variable "images" { type = map(string) }\noutput "it" { value = var.images }\n')
    command = ["terraform", f"-chdir={tmp_path}", "apply", "-auto-approve", "-no-color", f"-var-file={dev.images_file}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and A in done.stdout, done.stderr
