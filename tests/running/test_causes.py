"""What keeps a deployment from drawing maps, one thing after another: the task that waits says which it is and what to run,
what it says helps, and nothing is lost by it. (A broken image or configuration is in test_revisions.py.)"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import docker
from running_project import fetch, until

SCENES = "scenes-of-the-sample"
DATASETS = "select count(*) from agdc.dataset"


@pytest.fixture
def faulty(running):
    """The deployment, which a good deploy brings back to what it was."""
    before = running.sql(DATASETS)
    yield running
    running.restore()
    assert running.sql(DATASETS) == before == "2"


def failed(running, *words: str) -> tuple[str, str]:
    """What a task says that finds something wrong: all of it, and the command that it says to run."""
    answer = running.project.invoke(*words)
    assert answer.code == 5, f"exit {answer.code}\n{answer.out[-1500:]}{answer.err[-3000:]}"
    assert "Traceback (most recent call last):\n  File \"/tmp" not in answer.err
    said, _, run = answer.err.rpartition("\n  run: invoke ")
    return said, run.strip()


@contextmanager
def the_old_tasks_draw_maps(running):
    with running.asked_for_maps() as answers:
        yield
    assert set(answers) == {(200, True)} and sum(answers.values()) >= 3, answers


def test_without_tables_and_then_without_ranges(faulty):
    """The health path answers 200 both times: it is a layer's map that shows it. Each time what is said to run is run."""
    project = faulty.project
    faulty.sql("drop schema ows cascade")
    assert failed(faulty, "wms.smoke")[1] == "service.run schema", "The tasks that found it while they ran say so."
    faulty.renew()
    project.must("service.wait")
    assert fetch(faulty.url + "ping")[0] == 200

    said, run = failed(faulty, "deploy", "--yes")
    assert "sample: GetCapabilities does not list it" in said and "OWS's tables are missing from the database." in said
    assert run == "service.run schema"
    assert failed(faulty, "service.run", "ranges")[1] == "service.run schema"
    project.must(*run.split())
    assert fetch(faulty.url + "ping")[0] == 200

    said, run = failed(faulty, "wms.smoke")
    assert "1 of 1 layers" in said and "The layer sample has no ranges" in said
    assert run == "service.run ranges"
    project.must(*run.split())
    project.must("wms.smoke")


def test_the_database_is_down(faulty):
    database = faulty.database()
    docker("stop", "--time", "5", database)
    try:
        said, run = failed(faulty, "wms.smoke")
        assert re.search("The database went away|is down, or nothing listens there", said) and run == "plan"
        said, run = failed(faulty, "service.run", "ranges")
        assert "is down, or nothing listens there" in said and run == "plan"
        faulty.renew()
        said, run = failed(faulty, "service.wait")
        assert "was not " in said and "is down, or nothing listens there" in said and run == "plan"
    finally:
        docker("start", database)
    until(lambda: docker("exec", database, "pg_isready", check=False).returncode == 0)


def test_the_password_is_wrong(faulty):
    """Somebody changed it in the database alone; what is said to run puts the store's there, and brings new tasks."""
    faulty.sql("alter role datacube_wms_local password 'not-the-right-one-1'")
    faulty.renew()
    said, run = failed(faulty, "service.wait")
    assert "was not " in said and "refuses the password of datacube_wms_local" in said
    assert run == "service.run init-db"
    faulty.project.must(*run.split())
    faulty.project.must("wms.smoke")


def test_the_key_of_the_secrets_is_disabled(faulty):
    kms = faulty.project.client("kms")
    key = kms.describe_key(KeyId="alias/parameter_store_key")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    try:
        refused = faulty.project.invoke("deploy", "--yes")
        assert refused.code == 3 and "is disabled" in refused.err and "run: invoke kms.rescue" in refused.err
        with the_old_tasks_draw_maps(faulty):
            faulty.renew()
            said, run = failed(faulty, "service.wait")
        assert "The key that encrypts the secrets is disabled." in said and run == "kms.rescue", said
        said, run = failed(faulty, "service.run", "ranges")
        assert "The key that encrypts the secrets is disabled." in said and run == "kms.rescue"
        faulty.project.must(run, "--yes")
    finally:
        kms.enable_key(KeyId=key)


def test_the_chamber_service_holds_nothing(faulty):
    file = faulty.project.folder / "workspaces" / "local.tfvars"
    file.write_text(file.read_text().replace("    memory ", '    chamber_service = "nobody"\n    memory ', 1))
    with the_old_tasks_draw_maps(faulty):
        said, run = failed(faulty, "deploy", "--yes")
    assert "The chamber service nobody gave no DB_HOSTNAME, DB_DATABASE, DB_USERNAME, DB_PASSWORD" in said
    assert "was not deployed" in said and run == "chamber.list nobody"


def test_the_data_cannot_be_read(faulty):
    """Scenes in S3 whose documents are there and whose files are gone: the map is blank, and the answer 200."""
    s3, sample = faulty.project.client("s3"), Path(faulty.project.folder, "image", "sample")
    s3.create_bucket(Bucket=SCENES, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    put(s3, sample, "*.yaml")
    faulty.project.edit("storage", '"both"')
    faulty.project.edit("data_buckets", f'["{SCENES}"]')
    faulty.project.edit("index", f'[{{ source = "s3://{SCENES}/sample", pattern = "*.odc-metadata.yaml" }}]')

    said, run = failed(faulty, "deploy", "--yes")
    assert "sample: the map is blank" in said and run == "service.run index"
    assert f"The data cannot be read: s3://{SCENES}/sample/" in said and ".tif" in said

    put(s3, sample, "*.tif")
    faulty.renew()
    faulty.project.must("service.wait")
    faulty.project.must("wms.smoke")


def put(s3, folder: Path, pattern: str) -> None:
    for file in folder.rglob(pattern):
        s3.upload_file(str(file), SCENES, f"sample/{file.relative_to(folder).as_posix()}")
