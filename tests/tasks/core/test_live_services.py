"""Which image runs is asked of ECS."""

from __future__ import annotations

import pytest

from tasks.core import live_services

OLD, NEW = ("registry.example.com/maps@sha256:" + digit * 64 for digit in "01")


@pytest.fixture
def deploy(aws, client):
    """`deploy(image)` gives the workspace's service a revision with that image."""
    ecs, name = client("ecs"), aws.settings.name
    ecs.create_cluster(clusterName=name)

    def make(image: str) -> None:
        definition = ecs.register_task_definition(family=f"{name}-ows", containerDefinitions=[
            {"name": "log-router", "image": "somebody/else:1", "memory": 64}, {"name": "ows", "image": image, "memory": 64}])
        revision = definition["taskDefinition"]["taskDefinitionArn"]
        if live_services.images(aws):
            ecs.update_service(cluster=name, service=f"{name}-ows", taskDefinition=revision)
        else:
            ecs.create_service(cluster=name, serviceName=f"{name}-ows", taskDefinition=revision, desiredCount=0)

    return make


def test_nothing_runs_where_nothing_is_deployed(aws):
    assert live_services.images(aws) == {}


def test_it_is_that_of_the_services_own_container_and_revision(aws, deploy):
    deploy(OLD)
    assert live_services.images(aws) == {"ows": OLD}
    deploy(NEW)
    assert live_services.images(aws) == {"ows": NEW}


def test_a_service_that_was_deleted_runs_nothing(aws, deploy, client):
    deploy(OLD)
    client("ecs").delete_service(cluster=aws.settings.name, service=f"{aws.settings.name}-ows", force=True)
    assert live_services.images(aws) == {}
