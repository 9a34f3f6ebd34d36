"""What the doctor says of the images that run: of its own repository only is it known what is gone."""

from __future__ import annotations

import json

import pytest

from tasks.core import checks, live_services, registry
from tasks.core.checks import Verdict

OTHER = "ghcr.io/opendatacube/tiles"
ABROAD = "222222222222.dkr.ecr.us-east-1.amazonaws.com/maps"
GONE = "sha256:" + "e" * 64


@pytest.fixture
def looked_at(aws, client, monkeypatch):
    """`looked_at("{own}", …)`: what is found while services run these images; {own} is one that is in the repository."""
    registry.ensure(aws)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    put = client("ecr").put_image(repositoryName=aws.settings.project.slug, imageManifest=manifest, imageTag="1")
    repository = registry.repository(aws.settings)
    own = f"{repository}@{put['image']['imageId']['imageDigest']}"

    def look(*images: str) -> tuple[Verdict, str]:
        named = {str(number): image.format(own=own, repository=repository) for number, image in enumerate(images)}
        monkeypatch.setattr(live_services, "images", lambda session: named)
        verdict, found, _ = checks._images_that_run(aws)
        return verdict, found

    return look


def test_an_image_of_the_repository_is_there_or_gone(looked_at):
    assert looked_at("{own}") == (Verdict.OK, "all in the repository, and none about to go")
    assert looked_at("{own}", f"{{repository}}@{GONE}") == (Verdict.FAILED, f"{GONE[:19]}… is gone")


@pytest.mark.parametrize("elsewhere", [OTHER, ABROAD])
def test_an_image_of_another_repository_is_not_gone_but_not_checked(looked_at, elsewhere):
    """A service's own image, or a digest that was promoted from another account or region."""
    there = f"{elsewhere}@{GONE}"
    assert looked_at(there) == (Verdict.SKIPPED, f"not checked: {elsewhere}")
    assert looked_at("{own}", there) == (
        Verdict.OK, f"all in the repository, and none about to go; not checked: {elsewhere}")
    assert looked_at(there, f"{{repository}}@{GONE}") == (
        Verdict.FAILED, f"{GONE[:19]}… is gone; not checked: {elsewhere}")
