"""The jobs, in the image, against a real PostGIS whose master user is no superuser."""

from __future__ import annotations

import json
import secrets

import pytest

from real_image import IMAGE, JOBS, MAP, MASTER, Runner, opaque, prepare

SAMPLE = IMAGE / "sample"


def test_the_first_run_makes_all_that_a_map_needs(first_results):
    assert all(result["changed"] for result in first_results.values())
    assert first_results["products"]["added"] == ["sample"]
    assert first_results["index"]["added"] == 2 and first_results["index"]["datasets"] == {"sample": 2}
    assert first_results["ranges"]["layers"]["changed"] == ["sample"]


def test_a_second_run_changes_nothing(run, first_results):
    second = {job: run.job(job) for job in JOBS}
    assert [job for job in JOBS if second[job]["changed"]] == []
    assert second["index"]["known"] == 2 and second["ranges"]["layers"]["unchanged"] == ["sample"]
    mounted = run.job("index", INDEX='[{"source": "/ows/sample"}]')
    assert mounted["known"] == 2, "a folder of the file system; this one is the image's own"


def test_the_serving_login_reads_and_does_nothing_else(run, first_results):
    said = run("python3", "-c", READ_AND_WRITE, service="odc-serving")
    datasets, layers, *writes = said.stdout.split()  # other tests index more into the same database
    assert int(datasets) >= 2 and layers == "1" and writes == ["refused", "refused"], said.stdout + said.stderr


READ_AND_WRITE = """
from ows_jobs.database import connected
from ows_jobs.failures import JobFailed
with connected() as database:
    print(database.one("select count(*) from agdc.dataset"), database.one("select count(*) from ows.layer_ranges"))
for statement in ("delete from ows.layer_ranges", "create table agdc.mine (a int)"):
    try:
        with connected() as database:
            database.do(statement)
        print("done")
    except JobFailed:
        print("refused")
"""


def test_a_new_password_in_chamber_becomes_the_databases(run, account, first_results):
    new = secrets.token_urlsafe(12)
    account.write("rotated", db_username="odc_rotated", db_password=secrets.token_urlsafe(12))
    assert run.job("init-db", SERVING_CHAMBER_SERVICES="rotated")["made"] == ["made odc_rotated"]
    account.write("rotated", db_password=new)
    assert run.job("init-db", SERVING_CHAMBER_SERVICES="odc-serving rotated")["made"] == ["altered odc_rotated"]
    assert run.job("init-db", SERVING_CHAMBER_SERVICES="odc-serving rotated")["changed"] is False


@pytest.mark.parametrize(("held", "says"), [
    ({}, "holds no db_username and no db_password"),
    ({"db_username": "someone"}, "holds no db_password"),
    ({"db_username": MASTER, "db_password": "x"}, "may do more than read"),
    ({"db_username": "someone", "db_password": "two words"}, "holds a space"),
])  # fmt: skip
def test_a_serving_service_that_cannot_be_right_is_named(run, account, first_results, held, says):
    service = f"wrong-{secrets.token_hex(4)}"
    account.write(service, **held)
    account.secrets -= {"x", "two words"}
    code, sentence = run.failing_job("init-db", SERVING_CHAMBER_SERVICES=service)
    assert code in (1, 78) and says in sentence and service in sentence


def test_a_superuser_may_be_the_master_too(run, account, database):
    prepare(database, account, "owned")
    password = secrets.token_urlsafe(12)
    database.sql(f"create role owner superuser login password '{password}'; drop extension postgis", "owned")
    account.write("owned-admin", db_username="owner", db_password=password)
    result = run.job("init-db", service="owned-admin", SERVING_CHAMBER_SERVICES="owned-serving")
    assert "extension postgis" in result["made"] and "datacube's schema" in result["made"]
    assert run.job("init-db", service="owned-admin", SERVING_CHAMBER_SERVICES="owned-serving")["changed"] is False


def test_each_job_says_which_one_was_left_out(run, account, database):
    prepare(database, account, "steps")
    steps = {"service": "steps-admin", "SERVING_CHAMBER_SERVICES": "steps-serving"}

    def missing(job: str) -> str:
        return run.failing_job(job, **steps)[1].rpartition("run: ")[2]

    assert missing("schema") == missing("products") == missing("index") == "invoke service.run init-db"
    run.job("init-db", **steps)
    assert missing("ranges") == "invoke service.run schema"
    run.job("schema", **steps)
    code, sentence = run.failing_job("ranges", **steps)
    assert code == 1 and sentence.endswith("run: invoke service.run products") and "layer sample" in sentence
    assert "Could not find product sample in datacube" in run.said[-1], "the reason that the sentence speaks of"
    assert missing("index") == "invoke service.run products"
    run.job("products", **steps)
    code, sentence = run.failing_job("ranges", **steps)
    assert code == 1 and sentence.endswith("run: invoke service.run index") and "has no datasets" in sentence
    assert "no ranges are available" not in run.said[-1], "it would lead to the wrong job"


def test_a_database_that_does_not_let_in_is_told_in_its_own_words(run, account, database):
    where = {"db_hostname": database.container.address, "db_database": "odc"}
    nobody = secrets.token_urlsafe(12)
    for service, values, says in (
        ("no-login", {**where, "db_username": MASTER}, 'password authentication failed for user "master"'),
        ("no-database", {"db_username": MASTER, **where, "db_database": "none"}, "failed"),
        ("no-server", {**where, "db_username": MASTER, "db_hostname": "127.0.0.1"}, "Connection refused"),
        ("no-name", {**where, "db_username": MASTER, "db_hostname": "db.invalid"}, "could not translate host name"),
    ):
        account.write(service, db_password=nobody, **values)
        code, sentence = run.failing_job("products", service=service)
        assert code == 69 and says in sentence and nobody not in sentence


def test_documents_in_s3_become_datasets_that_lie_there(account, database, image):
    prepare(database, account, "bucket")
    account.bucket("scenes", {
        **{f"some/prefix/{file.relative_to(SAMPLE)}": file.read_bytes() for file in SAMPLE.rglob("*.*")},
        "some/prefix-of-another/x.odc-metadata.yaml": b"no: dataset",
        "products/sample.yaml": (IMAGE / "products/sample.yaml").read_bytes(),
        "ows.json": json.dumps(_configuration("From S3")).encode(),
    })
    there = Runner(image, account, products=["s3://scenes/products/sample.yaml"], index=[{"source": "s3://scenes/some/prefix"}])
    steps = {"service": "bucket-admin", "SERVING_CHAMBER_SERVICES": "bucket-serving",
             "OWS_CONFIG_URL": "s3://scenes/ows.json"}
    for job in ("init-db", "schema", "products"):
        there.job(job, **steps)
    in_image = json.dumps([{"source": "image/sample"}])
    assert there.job("index", **steps, INDEX=in_image)["added"] == 2
    moved = there.job("index", **steps)
    assert (moved["updated"], moved["added"]) == (2, 0), "the same scenes, elsewhere now"
    assert there.job("index", **steps)["changed"] is False
    there.job("ranges", **steps)
    server = there.serve(service="bucket-serving", OWS_CONFIG_URL="s3://scenes/ows.json")
    server.wait_for("/ping")
    assert b"From S3" in server.get("/?service=WMS&version=1.3.0&request=GetCapabilities")[2]
    assert opaque(server.get(MAP)[2]) > 0.9, "GDAL reads the bands from the bucket"

    account.client("s3").put_object(Bucket="scenes", Key="some/prefix/2024/bad.odc-metadata.yaml", Body=b"id: [no")
    code, sentence = there.failing_job("index", **steps)
    assert code == 1 and "1 of 3 documents" in sentence
    for source, says in (("s3://scenes/nothing", "holds no document"), ("s3://none/x", "NoSuchBucket"),
                         ("image/none", "holds no document"), ("/opt/data/none", "holds no document"),
                         ("https://example.com", "is no place")):
        assert says in there.failing_job("index", **steps, INDEX=json.dumps([{"source": source}]))[1]


def test_a_changed_product_is_updated_where_its_datasets_allow(run, first_results, account):
    definition = (IMAGE / "products/sample.yaml").read_text()
    texts = {"described": definition.replace("An island", "One island"),
             "retyped": definition.replace("int16", "int32", 1), "nonsense": "name: 7\n"}
    account.bucket("definitions", {f"{name}.yaml": text.encode() for name, text in texts.items()})
    here = {name: json.dumps([f"s3://definitions/{name}.yaml"]) for name in texts}
    assert run.job("products", PRODUCTS=here["described"])["updated"] == ["sample"]
    assert run.job("products")["updated"] == ["sample"]
    assert "differs from the one in the datacube in measurements" in run.failing_job("products", PRODUCTS=here["retyped"])[1]
    assert "is no product definition" in run.failing_job("products", PRODUCTS=here["nonsense"])[1]
    assert "There is no image/none.yaml" in run.failing_job("products", PRODUCTS='["image/none.yaml"]')[1]


def _configuration(title: str) -> dict:
    configuration = json.loads((IMAGE / "ows_config/ows.json").read_text())
    configuration["layers"] = [json.loads((IMAGE / "ows_config/layers/sample.json").read_text())]
    configuration["global"]["title"] = title
    return configuration
