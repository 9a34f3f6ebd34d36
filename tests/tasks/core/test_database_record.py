"""The record of the database's jobs: first is what it says, it dies with its database, and only what changed is due."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import database_record, keys, logins, parameter_store, settings, state_bucket
from tasks.core.console import BadInput
from tasks.core.database_record import JOBS

IMAGE = {"Dockerfile": "FROM scratch", ".dockerignore": "**/*.aux.xml\n",
         "products/sample.yaml": "name: sample", "sample/scene.yaml": "id: 1", "ows_config/ows.json": "{}"}
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


def note(session, record, job: str, changed: bool = True) -> database_record.Record:
    return database_record.note(session, record, job, database_record.fingerprints(session)[job], changed)


def due(session) -> list[str]:
    return database_record.load(session).needed(database_record.fingerprints(session))


def run_all(session) -> None:
    record = database_record.load(session)
    for job in due(session):
        record = note(session, record, job)


def changed(session, file: str, text: str):
    (session.settings.root / "image" / file).write_text(text)
    return due(session)


def with_variables(session, **variables):
    return replace(session, settings=replace(session.settings, variables={**session.settings.variables, **variables}))


def test_without_a_database_every_service_waits_and_every_job_is_due(session):
    record = database_record.load(session)
    assert record.database is None and record.unready(session.settings) == ["ows"]
    assert due(session) == list(JOBS)


def test_a_new_database_is_not_ready_until_the_last_job_has_ended(session, make_database):
    make_database()
    record = database_record.load(session)
    for job in JOBS[:-1]:
        record = note(session, record, job)
    assert database_record.load(session).unready(session.settings) == ["ows"]
    note(session, record, JOBS[-1])
    assert database_record.load(session).unready(session.settings) == []


def test_a_deploy_that_was_killed_goes_on_with_the_next_job(session, make_database):
    make_database()
    record = note(session, database_record.load(session), "init-db")
    note(session, record, "schema")
    assert due(session) == ["products", "index", "ranges"]


def test_the_record_dies_with_its_database(session, make_database, client):
    make_database()
    run_all(session)
    client("rds").delete_db_instance(DBInstanceIdentifier=session.settings.database, SkipFinalSnapshot=True)
    make_database()
    assert due(session) == list(JOBS)


def test_nothing_is_due_a_second_time(session, make_database):
    make_database()
    run_all(session)
    assert due(session) == []


@pytest.mark.parametrize(("file", "wanted"), [
    ("ows_config/ows.json", ["ranges"]),
    ("sample/scene.yaml", ["index", "ranges"]),
    ("products/sample.yaml", ["products", "index", "ranges"]),
    ("Dockerfile", []),
    ("sample/blue.tif.aux.xml", []),  # what a build does not get, no job does
])
def test_a_changed_file_is_followed_by_what_depends_on_it(session, make_database, file, wanted):
    make_database()
    run_all(session)
    assert changed(session, file, "other") == wanted


def test_where_every_service_has_an_image_of_its_own_no_file_counts(session, make_database):
    (session.settings.root / "image" / "Dockerfile").unlink()
    make_database()
    run_all(session)
    assert changed(session, "sample/scene.yaml", "other") == []


def test_what_is_edited_while_a_job_runs_is_due_the_next_time(session, make_database):
    make_database()
    record, given = database_record.load(session), database_record.fingerprints(session)
    for job in JOBS:
        (session.settings.root / "image" / "sample" / "scene.yaml").write_text("id: 2")
        record = database_record.note(session, record, job, given[job], True)
    assert due(session) == ["index", "ranges"]


CONFIGURATION = {
    "ows.json": {"global": {}, "layers": [{"include": "layers/one.json"}, {"include": "a.module.layer", "type": "python"}]},
    "layers/one.json": {"style": {"include": "one.json"}},  # the tasks refuse a circle: here it only has to end
    "layers/other.json": {},
}


@pytest.fixture
def in_s3(session, client, slug):
    """The session with its OWS configuration in a bucket; `in_s3.put(name, content)` changes one of the objects."""
    client("s3").create_bucket(Bucket=f"{slug}-maps", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    found = with_variables(session, ows_config=f"s3://{slug}-maps/ows/ows.json")

    def put(name: str, content) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        client("s3").put_object(Bucket=f"{slug}-maps", Key=f"ows/{name}", Body=body)

    for name, content in CONFIGURATION.items():
        put(name, content)
    return found, put


@pytest.mark.parametrize(("name", "wanted"), [
    ("ows.json", ["ranges"]), ("layers/one.json", ["ranges"]), ("layers/other.json", [])])
def test_a_configuration_in_s3_is_looked_at_with_all_that_it_includes(in_s3, make_database, name, wanted):
    session, put = in_s3
    make_database()
    run_all(session)
    assert due(session) == []
    put(name, {**CONFIGURATION[name], "title": "changed"})
    assert due(session) == wanted


def test_a_configuration_in_s3_reaches_running_tasks_by_a_restart(in_s3, make_database):
    """Its ranges may be what they were; but a style or a title is read by tasks only as they start."""
    session, _ = in_s3
    make_database()
    assert note(session, database_record.load(session), "ranges", changed=False).restart


def test_a_configuration_that_is_not_there_is_one_sentence(in_s3, client, slug):
    session, put = in_s3
    put("ows.json", b"no JSON")
    with pytest.raises(BadInput, match=f"The OWS configuration s3://{slug}-maps/ows/ows.json is no JSON"):
        due(session)
    put("ows.json", CONFIGURATION["ows.json"])
    client("s3").delete_object(Bucket=f"{slug}-maps", Key="ows/layers/one.json")
    with pytest.raises(BadInput, match="ows/layers/one.json is not there; s3://.*/ows/ows.json includes it"):
        due(session)
    for lost in ("ows/lost.json", "no-such-bucket-of-ours/ows.json"):
        missing = with_variables(session, ows_config=f"s3://{slug}-maps/{lost}" if "ows/" in lost else f"s3://{lost}")
        with pytest.raises(BadInput, match="is not there; ows_config in local.tfvars names it"):
            due(missing)


def test_who_may_not_read_the_configuration_deploys_all_the_same(session, capsys):
    """The tasks' own roles may: they need not be the deployer's."""
    configured = with_variables(session, ows_config="s3://maps/ows.json").settings
    forbidden = CannedAws(configured, get_object=refusal("AccessDenied", "GetObject"))
    assert set(database_record.fingerprints(forbidden)) == set(JOBS)
    assert "may not read s3://maps/ows.json (s3:GetObject)" in capsys.readouterr().err


def test_what_the_workspace_says_counts_too(session, make_database):
    make_database()
    run_all(session)
    assert due(with_variables(session, index=[{"source": "s3://scenes/"}])) == ["index", "ranges"]
    newer = replace(session.settings, project=replace(session.settings.project, ows_version="1.9.15"))
    assert due(replace(session, settings=newer)) == ["init-db", "schema"]  # a newer datacube's schema, and OWS's


def test_only_a_service_without_a_login_role_waits_for_it(session, make_database):
    make_database()
    run_all(session)
    tiles = f"{session.settings.id}-tiles"
    services = {"ows": {}, "tiles": {"chamber_service": tiles}, "far": {"chamber_service": "others"}}
    more = with_variables(session, services=services)
    assert database_record.load(session).unready(more.settings) == ["tiles"] and due(more) == ["init-db"]


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
        record = note(session, record, job)
    assert not database_record.load(session).restart
    record = note(session, record, "ranges")
    record = note(session, record, "ranges", changed=False)
    assert database_record.load(session).restart
    database_record.note_restarted(session, record)
    assert not database_record.load(session).restart and database_record.load(session).ready
