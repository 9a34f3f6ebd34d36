"""update, index and ranges in one, and what a job's log shows: upstream's words only when a step fails."""

from __future__ import annotations

import json

import pytest

from real_image import IMAGE, Account, Database, Runner, prepare

SAMPLE = IMAGE / "sample"
NOISE = ("path in is", "with rowcount", "Running SQL statement", "no ranges are available", "Initialising database")


@pytest.fixture(scope="module")
def prepared(run: Runner, account: Account, database: Database) -> dict[str, str]:
    """A database without OWS's tables, in which an update can only index."""
    prepare(database, account, "updated")
    steps = {"service": "updated-admin", "SERVING_CHAMBER_SERVICES": "updated-serving"}
    for job in ("init-db", "products"):
        run.job(job, **steps)
        assert not [noise for noise in NOISE if noise in run.said[-1]], run.said[-1]
    return steps


def test_update_is_index_and_ranges(run, database, prepared):
    code, sentence = run.failing_job("update", **prepared)
    assert code == 1 and sentence.startswith("update failed: relation")
    assert sentence.endswith("run: invoke service.run schema")

    # not the master's, who may look into it and make nothing in it
    database.sql("create schema ows; grant usage on schema ows to public", "updated")
    code, sentence = run.failing_job("schema", **prepared)
    assert "its reason is above" in sentence and "Running SQL statement" in run.said[-1]
    assert "Insufficient Privileges" in run.said[-1]
    database.sql("drop schema ows", "updated")
    run.job("schema", **prepared)
    assert not [noise for noise in NOISE if noise in run.said[-1]], run.said[-1]

    first = run.job("update", **prepared)
    assert not [noise for noise in NOISE if noise in run.said[-1]], run.said[-1]
    assert first["changed"] and first["index"]["known"] == 2 and first["ranges"]["layers"]["changed"] == ["sample"]
    second = run.job("update", **prepared)
    assert not (second["changed"] or second["index"]["changed"] or second["ranges"]["changed"])

    code, sentence = run.failing_job("update", **prepared, INDEX='[{"source": "image/none"}]')
    assert code == 1 and "image/none holds no document" in sentence
    assert "sample: unchanged, 2 dates" in run.said[-1], "the ranges are made all the same"


def test_only_the_document_that_the_database_refuses_counts_as_failed(run, account, prepared):
    document = (SAMPLE / "2024-07-15/sample.odc-metadata.yaml").read_text()
    id_ = next(line for line in document.splitlines() if line.startswith("id: "))
    documents = {f"{name}.odc-metadata.yaml": document.replace(id_, f"id: 00000000-0000-4000-8000-00000000000{number}")
                 for number, name in enumerate(("good", "refused", "fine"))}
    documents["refused.odc-metadata.yaml"] += 'note: "a\\0b"\n'  # PostgreSQL's jsonb holds no such character
    account.bucket("three", {name: text.encode() for name, text in documents.items()})
    code, sentence = run.failing_job("index", **prepared, INDEX=json.dumps([{"source": "s3://three"}]))
    assert code == 1 and "1 of 3 documents" in sentence
    assert "s3://three: 2 added, 1 failed, 3 listed" in run.said[-1]
    assert run.said[-1].count("refused.odc-metadata.yaml: ") == 1 and "it was added" not in run.said[-1]
