"""The record of the database's jobs: first is what it says, it dies with its database, and only what changed is due."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.core import database_record, keys, logins, parameter_store, settings, state_bucket
from tasks.core.database_record import JOBS

IMAGE = {"products/sample.yaml": "name: sample", "sample/scene.yaml": "id: 1", "ows_config/ows.json": "{}"}
MAIN_TF = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


@pytest.fixture
def session(aws, root):
    """A session with a state bucket, and an image folder with a product, a scene and a configuration."""
    (root / "main.tf").write_text(MAIN_TF)
    for place, text in IMAGE.items():
        file = root / "image" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    state_bucket.ensure(aws)
    return aws


@pytest.fixture
def make_database(session, client):
    """Make the workspace's database, or one more of the same name after the first is gone."""
    rds = client("rds")

    def make() -> None:
        rds.create_db_instance(DBInstanceIdentifier=session.settings.database, DBInstanceClass="db.t4g.micro",
                               Engine="postgres", AllocatedStorage=20,
                               MasterUsername="master", MasterUserPassword="long-enough-1")

    yield make
    if database_record.load(session).database:
        rds.delete_db_instance(DBInstanceIdentifier=session.settings.database, SkipFinalSnapshot=True)


def run_all(session) -> None:
    record = database_record.load(session)
    for job in record.needed(session.settings):
        record = database_record.note(session, record, job, True)


def changed(session, file: str, text: str):
    (session.settings.root / "image" / file).write_text(text)
    return database_record.load(session).needed(session.settings)


def with_variables(session, **variables):
    return replace(session.settings, variables={**session.settings.variables, **variables})


def test_without_a_database_every_service_waits_and_every_job_is_due(session):
    record = database_record.load(session)
    assert record.database is None and record.unready(session.settings) == ["ows"]
    assert record.needed(session.settings) == list(JOBS)


def test_a_new_database_is_not_ready_until_the_last_job_has_ended(session, make_database):
    make_database()
    record = database_record.load(session)
    for job in JOBS[:-1]:
        record = database_record.note(session, record, job, True)
    assert database_record.load(session).unready(session.settings) == ["ows"]
    database_record.note(session, record, JOBS[-1], True)
    assert database_record.load(session).unready(session.settings) == []


def test_a_deploy_that_was_killed_goes_on_with_the_next_job(session, make_database):
    make_database()
    record = database_record.note(session, database_record.load(session), "init-db", True)
    database_record.note(session, record, "schema", True)
    assert database_record.load(session).needed(session.settings) == ["products", "index", "ranges"]


def test_the_record_dies_with_its_database(session, make_database, client):
    make_database()
    run_all(session)
    client("rds").delete_db_instance(DBInstanceIdentifier=session.settings.database, SkipFinalSnapshot=True)
    make_database()
    assert database_record.load(session).needed(session.settings) == list(JOBS)


def test_nothing_is_due_a_second_time(session, make_database):
    make_database()
    run_all(session)
    assert database_record.load(session).needed(session.settings) == []


@pytest.mark.parametrize(("file", "due"), [
    ("ows_config/ows.json", ["ranges"]),
    ("sample/scene.yaml", ["index", "ranges"]),
    ("products/sample.yaml", ["products", "index", "ranges"]),
    ("Dockerfile", []),
])
def test_a_changed_file_is_followed_by_what_depends_on_it(session, make_database, file, due):
    make_database()
    run_all(session)
    assert changed(session, file, "other") == due


def test_what_the_workspace_says_counts_too(session, make_database):
    make_database()
    run_all(session)
    record = database_record.load(session)
    assert record.needed(with_variables(session, index=[{"source": "s3://scenes/"}])) == ["index", "ranges"]
    newer = replace(session.settings, project=replace(session.settings.project, ows_version="1.9.15"))
    assert record.needed(newer) == ["schema"]


def test_only_a_service_without_a_login_role_waits_for_it(session, make_database):
    make_database()
    run_all(session)
    tiles = f"{session.settings.id}-tiles"
    services = {"ows": {}, "tiles": {"chamber_service": tiles}, "far": {"chamber_service": "others"}}
    more = with_variables(session, services=services)
    record = database_record.load(session)
    assert record.unready(more) == ["tiles"] and record.needed(more) == ["init-db"]


def test_the_record_lies_beside_the_workspaces_state(session, make_database, client):
    make_database()
    run_all(session)
    key = "env:/local/small/database.json"
    assert client("s3").head_object(Bucket=session.settings.state_bucket, Key=key)["ContentType"] == "application/json"


def test_each_of_our_chamber_services_gets_a_login_once(session, client):
    keys.create(session)
    service = session.settings.chamber_service
    assert logins.ensure(session) == [service]
    password = parameter_store.read(session, service, "db_password")
    assert parameter_store.read(session, service, "db_username") == service.replace("-", "_")
    assert logins.ensure(session) == [] and parameter_store.read(session, service, "db_password") == password


def test_somebody_else_s_chamber_service_is_left_alone(root):
    text = (root / "workspaces" / "local.tfvars").read_text()
    (root / "workspaces" / "local.tfvars").write_text(text.replace("image = null", 'chamber_service = "shared-secrets"'))
    found = settings.load("local", root)
    assert found.serving_services == {"ows": "shared-secrets"} and found.own_chamber_services == []


def test_a_restart_stays_due_until_it_is_done(session, make_database):
    make_database()
    record = database_record.load(session)
    for job in JOBS[:-1]:
        record = database_record.note(session, record, job, True)
    assert not database_record.load(session).restart
    record = database_record.note(session, record, "ranges", True)
    record = database_record.note(session, record, "ranges", False)
    assert database_record.load(session).restart
    database_record.note_restarted(session, record)
    assert not database_record.load(session).restart and database_record.load(session).ready
