"""Which services wait for the database, which are held, and what is noted of the jobs. What ECS is asked is real."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasks import planning, rollout
from tasks.core import containers, database_record, embedded_aws, jobs, state_bucket
from tasks.core.database_record import JOBS, Record

MAIN_TF = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


@pytest.fixture
def session(aws, root, monkeypatch):
    """Where tasks run, with a state bucket and no record: of a first deployment, or lost."""
    (root / "main.tf").write_text(MAIN_TF)
    scene = root / "image" / "sample" / "scene.yaml"
    scene.parent.mkdir(parents=True)
    scene.write_text("id: 1")
    (root / "image" / "Dockerfile").write_text("FROM scratch\n")
    state_bucket.ensure(aws)
    server = embedded_aws.Server(running=True, containers=True, endpoint=aws.endpoint)
    monkeypatch.setattr(embedded_aws, "status", lambda root: server)
    return replace(aws, settings=replace(aws.settings, pinned={"ows": "i:1"}))


@pytest.fixture
def service(session, client):
    """`service(2)` makes the workspace's ECS service of so many tasks; answers its revision."""
    ecs, name = client("ecs"), session.settings.name

    def make(desired: int) -> str:
        ecs.create_cluster(clusterName=name)
        made = ecs.register_task_definition(family=f"{name}-ows",
                                            containerDefinitions=[{"name": "ows", "image": "i:1", "memory": 8}])
        revision = made["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(cluster=name, serviceName=f"{name}-ows", taskDefinition=revision, desiredCount=desired)
        return revision

    return make


def waiting(session) -> list[str]:
    return planning.given_values(session)["waiting_services"]


def held(session) -> dict[str, str]:
    return rollout.held_services(session, rollout.job_inputs(session))


def test_a_first_deployment_waits_and_holds_nothing(session):
    assert waiting(session) == ["ows"] and held(session) == {}


def test_a_first_deployment_that_was_killed_half_way_still_waits(session, service):
    """The service is there, of no task, which ECS calls completed."""
    service(0)
    assert waiting(session) == ["ows"] and held(session) == {}


def test_a_service_that_serves_is_never_made_to_wait_but_held(session, service):
    """Its record is lost, or its database restored, or its chamber service another one: it goes on as it is."""
    revision = service(2)
    assert database_record.load(session).unready(session.settings) == ["ows"]
    assert waiting(session) == [] and held(session) == {"ows": revision}


@pytest.mark.parametrize(("desired", "running", "waits"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_what_runs_or_is_to_run_serves(session, service, monkeypatch, desired, running, waits):
    service(0)
    found = SimpleNamespace(desired=desired, running=running)
    monkeypatch.setattr(containers, "describe", lambda session, cluster, name: found)
    assert waiting(session) == (["ows"] if waits else [])


def test_nothing_is_held_when_no_job_is_due(session, service, monkeypatch):
    service(2)
    done = Record("db-1", database_record.fingerprints(session), (session.settings.chamber_service,))
    monkeypatch.setattr(database_record, "load", lambda session: done)
    assert waiting(session) == [] and held(session) == {}


def test_where_no_task_runs_no_job_is_due_and_no_configuration_is_looked_for(session, monkeypatch):
    monkeypatch.setattr(embedded_aws, "status", lambda root: embedded_aws.Server(running=True))
    monkeypatch.setattr(database_record, "fingerprints", lambda session: pytest.fail("looked for"))
    assert rollout.job_inputs(session) == {} and rollout.jobs_due(session) == []


@pytest.mark.parametrize(("said", "restart"), [({}, True), ({"changed": True}, True), ({"changed": False}, False)])
def test_a_job_is_noted_with_what_it_was_given_and_one_that_says_nothing_may_have_changed_something(
        session, monkeypatch, said, restart):
    """The scene is edited while the jobs run: their image has the earlier one."""
    inputs = rollout.job_inputs(session)

    def run(session, outputs, job, on_log):
        (session.settings.root / "image" / "sample" / "scene.yaml").write_text("id: 2")
        return said

    monkeypatch.setattr(jobs, "run", run)
    record, results = rollout.prepare_database(session, {}, Record("db-1"), inputs)
    assert list(results) == list(JOBS) and record.done == inputs and record.restart is restart
    assert record.needed(rollout.job_inputs(session)) == ["index", "ranges"]
