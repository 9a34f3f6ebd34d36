"""Which revision a service goes back to, from records of ECS and ECR in the embedded AWS; the images are mere manifests."""

from __future__ import annotations

import json

import pytest

from tasks.core import revisions, service_deployments
from tasks.core.console import BadInput, Refused


@pytest.fixture
def ecr(client, slug):
    """`ecr("one")` pushes an image of that content and answers repository@digest."""
    registry = client("ecr")
    made = registry.create_repository(repositoryName=slug)["repository"]

    def push(content: str) -> str:
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {"digest": content},
                "layers": [],
            }
        )
        image = registry.put_image(repositoryName=slug, imageManifest=manifest, imageTag=content)["image"]
        return f"{made['repositoryUri']}@{image['imageId']['imageDigest']}"

    return push


@pytest.fixture
def register(client, slug):
    """`register(image, …)` makes one revision of each image, of the first of two containers; answers the last one's ARN."""

    def make(*images: str) -> str:
        for image in images:
            made = client("ecs").register_task_definition(
                family=f"{slug}-local-ows",
                containerDefinitions=[
                    {"name": "sidecar", "image": "sidecar:1", "memory": 8},
                    {"name": "ows", "image": image, "memory": 8},
                ],
            )
        return made["taskDefinition"]["taskDefinitionArn"]

    return make


def test_the_newest_earlier_one_with_another_image(aws, ecr, register):
    one, two, three = ecr("one"), ecr("two"), ecr("three")
    deployed = register(one, two, two, three)
    found = revisions.choose(aws, deployed, "ows", None)
    assert (found.number, found.image) == (3, two)
    assert [each.number for each in revisions.earlier(aws, deployed, "ows")] == [3, 2, 1]


def test_an_image_that_is_gone_is_passed_over(aws, ecr, register, client, slug):
    one, two, three = ecr("one"), ecr("two"), ecr("three")
    deployed = register(one, two, three)
    client("ecr").batch_delete_image(repositoryName=slug, imageIds=[{"imageDigest": two.partition("@")[2]}])
    assert revisions.choose(aws, deployed, "ows", None).image == one
    with pytest.raises(Refused, match="The image of revision 2 is not there any more"):
        revisions.choose(aws, deployed, "ows", 2)


def test_a_second_way_back_goes_further_back_and_not_to_what_was_left(aws, ecr, register):
    """Revision 3 was bad; 4 is its roll-back, with the image of 2. From there, back is 1."""
    one, two, bad = ecr("one"), ecr("two"), ecr("bad")
    assert revisions.choose(aws, register(one, two, bad, two), "ows", None).image == one


def test_what_was_rolled_back_when_it_was_deployed_is_passed_over_unless_it_is_named(aws, ecr, register, monkeypatch, slug):
    one, bad, three = ecr("one"), ecr("bad"), ecr("three")
    deployed = register(one, bad, three)
    rejected, asked = {f"{deployed.rpartition(':')[0]}:2"}, []
    monkeypatch.setattr(service_deployments, "never_ran", lambda *of: asked.append(of) or rejected)
    assert revisions.choose(aws, deployed, "ows", None).image == one
    assert asked == [(aws, f"{slug}-local", f"{slug}-local-ows")]
    assert revisions.choose(aws, deployed, "ows", 2).image == bad
    rejected.add(f"{deployed.rpartition(':')[0]}:1")
    with pytest.raises(Refused, match="was rolled back when it was deployed. One of them, all the same: 2, 1") as refused:
        revisions.choose(aws, deployed, "ows", None)
    assert refused.value.run == "invoke service.rollback --to 2"


def test_a_revision_by_its_number(aws, ecr, register):
    one, two, three = ecr("one"), ecr("two"), ecr("three")
    deployed = register(one, two, three, two)
    assert revisions.choose(aws, deployed, "ows", 3).image == three
    with pytest.raises(Refused, match="Revision 2 has the image that is deployed already"):
        revisions.choose(aws, deployed, "ows", 2)
    with pytest.raises(BadInput, match=r"There is no revision 9 \(earlier ones with another image: 1\)"):
        revisions.choose(aws, deployed, "ows", 9)


def test_no_way_back_is_refused(aws, ecr, register, client, slug):
    one, two = ecr("one"), ecr("two")
    only = register(one)
    with pytest.raises(Refused, match="nothing to go back to"):
        revisions.choose(aws, only, "ows", None)
    deployed = register(two)
    client("ecr").batch_delete_image(repositoryName=slug, imageIds=[{"imageDigest": one.partition("@")[2]}])
    with pytest.raises(Refused, match="None of the images of the 1 earlier revisions is there any more"):
        revisions.choose(aws, deployed, "ows", None)


def test_a_revision_that_was_deregistered_cannot_be_started(aws, ecr, register, client, slug):
    deployed = register(ecr("one"), ecr("two"), ecr("three"))
    client("ecs").deregister_task_definition(taskDefinition=f"{slug}-local-ows:2")
    assert revisions.choose(aws, deployed, "ows", None).number == 1


def test_the_revisions_of_a_family_whose_name_only_begins_so_are_not_taken(aws, ecr, register, client, slug):
    deployed = register(ecr("one"))
    client("ecs").register_task_definition(
        family=f"{slug}-local-ows-two", containerDefinitions=[{"name": "ows", "image": "x", "memory": 8}]
    )
    assert revisions.earlier(aws, deployed, "ows") == []
