"""Where the image lives: ECR made once and kept safe, or any other registry left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from canned_aws import refusal
from tasks.core import references, registry, settings
from tasks.core.console import BadInput, Refused


def test_the_repository_is_made_once_with_tags_that_never_move(aws, client):
    assert not registry.exists(aws)
    assert registry.ensure(aws) is True and registry.ensure(aws) is False
    assert registry.exists(aws)
    name = aws.settings.project.slug
    [made] = client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    tags = client("ecr").list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"Created_by": name, "Project": name}
    [rule] = json.loads(client("ecr").get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1000}, \
        "A rule by age deletes images that still run."  # fmt: skip


def test_a_repository_that_a_killed_run_left_without_its_policy_gets_it(aws, client):
    name = aws.settings.project.slug
    registry.ensure(aws)
    client("ecr").delete_lifecycle_policy(repositoryName=name)
    assert registry.ensure(aws) is False
    assert client("ecr").get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]


@pytest.mark.parametrize(("region", "address"), [
    ("ap-southeast-2", "111111111111.dkr.ecr.ap-southeast-2.amazonaws.com"),
    ("cn-north-1", "111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn"),
])
def test_the_address_of_an_ecr_repository(root, slug, region, address):
    dev = replace(settings.load("dev", root), region=region)
    assert registry.is_ecr(dev)
    assert registry.repository(dev) == f"{address}/{slug}"


def test_any_other_repository_is_taken_as_it_is(root):
    dev = settings.load("dev", root)
    elsewhere = replace(dev, project=replace(dev.project, image_repository="ghcr.io/org/name"))
    assert not registry.is_ecr(elsewhere)
    assert registry.repository(elsewhere) == "ghcr.io/org/name"


# --- ECR, asked without an engine. The embedded one keeps records of images, and no image.


@pytest.fixture
def recorded(aws, client):
    """`recorded("tag")` puts an image's record into ECR; answers its digest."""
    registry.ensure(aws)

    def put(tag: str) -> str:
        manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "x": tag})
        made = client("ecr").put_image(repositoryName=aws.settings.project.slug, imageManifest=manifest, imageTag=tag)
        return made["image"]["imageId"]["imageDigest"]

    return put


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")


def test_a_tag_of_ecr_has_its_digest_or_none(aws, recorded, no_engine):
    assert registry.digest(aws, "1") is None
    digest = recorded("1")
    assert registry.digest(aws, "1") == digest
    image = f"{registry.repository(aws.settings)}@{digest}"
    assert registry.tags(aws, image) == ["1"] and registry.resolve(aws, f"{registry.repository(aws.settings)}:1") == image
    assert registry.pushed_at(aws, image) is not None


@pytest.fixture
def listed(aws, client):
    """`listed("amd64", …)` puts the record of an image for these platforms into ECR; answers its address with a tag."""
    registry.ensure(aws)

    def put(*architectures: str) -> str:
        manifests = [{"digest": f"sha256:{each}", "platform": {"os": "linux", "architecture": each}}
                     for each in architectures]
        manifest = json.dumps({"schemaVersion": 2, "mediaType": registry.LISTS[0], "manifests": manifests})
        tag = "-".join(architectures)
        client("ecr").put_image(repositoryName=aws.settings.project.slug, imageManifest=manifest, imageTag=tag,
                                imageManifestMediaType=registry.LISTS[0])
        return f"{registry.repository(aws.settings)}:{tag}"

    return put


def test_an_image_of_ecr_for_other_machines_is_refused(aws, listed, monkeypatch):
    monkeypatch.setattr(registry.content, "architecture", lambda settings: "arm64")
    both, other, built = listed("amd64", "arm64"), listed("amd64", "unknown"), listed("arm64", "unknown")
    assert registry.resolve(aws, both).startswith(both.partition(":")[0])
    assert registry.resolve(aws, built)  # what an engine pushes: an image, and beside it how it was built
    with pytest.raises(BadInput, match="is for x86_64, and workspace local runs arm64"):
        registry.resolve(aws, other)


def test_the_platforms_of_ecr_are_not_checked_for_who_may_not_ask(aws, listed, monkeypatch):
    monkeypatch.setattr(registry.content, "architecture", lambda settings: "arm64")
    image = listed("amd64")
    ecr = aws.client("ecr")
    monkeypatch.setattr(ecr, "batch_get_image", lambda **asked: (_ for _ in ()).throw(refusal("AccessDeniedException")))
    monkeypatch.setattr(type(aws), "client", lambda self, *names: ecr)
    assert registry.resolve(aws, image)


def test_without_the_repository_the_sentence_says_bootstrap(aws):
    with pytest.raises(Refused, match="ECR has no repository") as refused:
        registry.digest(aws, "1")
    assert refused.value.run == "invoke bootstrap"


def test_the_embedded_ecr_takes_no_image(aws):
    with pytest.raises(Refused, match="The embedded AWS has no registry to push to"):
        registry.push(aws, "1", print)


def test_the_login_for_ecr_comes_from_aws_and_is_written_nowhere(aws, tmp_path, monkeypatch):
    empty = tmp_path / "docker"
    empty.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(empty))
    registry.ensure(aws)
    login = registry._ecr_login(aws, references.read(registry.repository(aws.settings)))
    assert login["username"] == "AWS" and login["password"]
    assert list(empty.iterdir()) == []


def test_running_digests_that_expire_soon_or_are_gone_are_found(aws, recorded, monkeypatch):
    digests = [recorded(str(number)) for number in range(5)]
    order = {digest: datetime(2026, 1, 1 + number, tzinfo=timezone.utc) for number, digest in enumerate(digests)}
    # images of one second are dated alike: their order is given here
    monkeypatch.setattr(registry, "_by_age", lambda found: sorted(found, key=lambda image: order[image["imageDigest"]],
                                                                  reverse=True))
    gone = "sha256:" + "e" * 64
    assert registry.expiring(aws, set(digests)) == []
    monkeypatch.setattr(registry, "IMAGES_KEPT", 5)
    monkeypatch.setattr(registry, "SOON", 2)
    found = {each.digest: each for each in registry.expiring(aws, {digests[0], digests[1], digests[4], gone})}
    assert found == {
        digests[0]: registry.Expiring(digests[0], gone=False, newer=4),
        digests[1]: registry.Expiring(digests[1], gone=False, newer=3),
        gone: registry.Expiring(gone, gone=True, newer=0),
    }


def test_an_address_of_ecr_needs_aws_and_no_other_does(root):
    dev = settings.load("dev", root)
    for address, wanted in (("ecr", True), ("111111111111.dkr.ecr.us-east-1.amazonaws.com/x", True), ("ghcr.io/x/y", False)):
        assert registry.needs_aws(replace(dev, project=replace(dev.project, image_repository=address))) is wanted
