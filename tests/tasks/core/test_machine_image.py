"""The machine image that a workspace is pinned to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.core import machine_image
from tasks.core.console import Failed


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [
        ("t3.medium", "x86_64"),
        ("t3a.small", "x86_64"),
        ("m7i.large", "x86_64"),
        ("g4dn.xlarge", "x86_64"),
        ("g5.xlarge", "x86_64"),
        ("m7a.large", "x86_64"),
        ("inf2.xlarge", "x86_64"),
        ("mac1.metal", "x86_64"),
        ("t4g.small", "arm64"),
        ("m7gd.large", "arm64"),
        ("c6gn.xlarge", "arm64"),
        ("g5g.xlarge", "arm64"),
        ("x2gd.medium", "arm64"),
        ("im4gn.large", "arm64"),
        ("is4gen.large", "arm64"),
    ],
)
def test_the_architecture_is_the_instance_familys(instance_type, architecture):
    assert machine_image.architecture(instance_type) == architecture


def with_type(aws, instance_type: str):
    return replace(aws, settings=replace(aws.settings, variables={**aws.settings.variables, "instance_type": instance_type}))


def test_the_image_that_aws_recommends_is_of_the_architecture(aws):
    intel, arm = (machine_image.recommended(with_type(aws, each)) for each in ("t3.medium", "t4g.medium"))
    assert intel.startswith("ami-") and arm.startswith("ami-")


def test_a_region_without_the_parameter_is_a_sentence(aws, monkeypatch):
    monkeypatch.setattr(machine_image, "PARAMETER", "/small/none{arm}")
    with pytest.raises(Failed, match="ap-southeast-2 has no /small/none: is it a region with ECS?"):
        machine_image.recommended(aws)


def test_the_age_of_an_image_that_nobody_knows_is_none(aws):
    assert machine_image.age_in_days(aws, "ami-00000000000000000") is None
