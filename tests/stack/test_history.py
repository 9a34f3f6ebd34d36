"""The way back to an earlier state: what the bucket keeps is shown, put back under the lock, and planned with."""

from __future__ import annotations

from driven_project import STATE_BUCKET, Project


def place(stack: Project) -> dict[str, str]:
    """Where the state lies, as boto3 names it."""
    listed = stack.client("s3").list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
    [key] = [entry["Key"] for entry in listed if entry["Key"].endswith("tfstate")]
    return {"Bucket": STATE_BUCKET, "Key": key}


def history(stack: Project) -> list[dict]:
    return stack.must("state.history", "--json").json["versions"]


def test_a_state_that_was_deleted_or_is_too_old_is_put_back(stack):
    made, where = history(stack), place(stack)
    assert made[0]["current"] and made[0]["resources"] > 70
    assert [one["serial"] for one in made] == sorted((one["serial"] for one in made), reverse=True)
    saved = stack.folder / stack.must("state.backup").out.strip()
    assert saved.read_text() == stack.client("s3").get_object(**where)["Body"].read().decode()

    stack.client("s3").delete_object(**where)
    shown = stack.must("state.history", "--count", "1")
    assert "deleted here" in shown.out and "The state was deleted on" in shown.err and made[0]["id"] not in shown.out
    lost = stack.invoke("drift")
    assert lost.code == 3 and f"invoke state.restore --version {made[0]['id']}" in lost.err
    unsaid = stack.invoke("state.restore", "--version", made[0]["id"])
    assert unsaid.code == 3 and "There is no state now." in unsaid.err and len(history(stack)) == len(made) + 1
    stack.must("state.restore", "--version", made[0]["id"], "--confirm", "local")
    assert history(stack)[0]["serial"] == made[0]["serial"] + 1
    stack.require_clean()

    early = made[-1]
    back = stack.must("state.restore", "--version", early["id"], "--confirm", "datacube-wms-local")
    assert "no longer known   module.database_layer.aws_db_instance.rds" in back.out and "invoke plan" in back.err
    assert history(stack)[0]["resources"] == early["resources"] < made[0]["resources"]
    stack.must("state.restore", "--file", str(saved), "--confirm", "local")
    stack.require_clean()
