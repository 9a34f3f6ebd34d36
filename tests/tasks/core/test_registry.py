"""Where the image lives: ECR made once and kept safe, or any other registry left alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tasks.core import registry, settings


def test_the_repository_is_made_once_with_tags_that_never_move(aws, client):
    assert not registry.exists(aws)
    assert registry.ensure(aws) is True and registry.ensure(aws) is False
    assert registry.exists(aws)
    name = aws.settings.project.slug
    [made] = client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    [rule] = json.loads(client("ecr").get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1000}, \
        "A rule by age deletes images that still run."  # fmt: skip


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
