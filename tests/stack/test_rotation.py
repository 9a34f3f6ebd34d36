"""The master password of a deployed stack is changed, in the store and in the database, by Terraform alone."""

from __future__ import annotations

from driven_project import CANARY, Watch

ADMIN = "datacube-wms-local-admin"
MASTER = f"/{ADMIN}/db_password"


def test_the_master_password_is_rotated_and_the_plan_is_clean(stack):
    ssm = stack.client("ssm")
    undeployed = (stack.folder / "workspaces" / "local.tfvars").read_text()
    stack.edit("db_backup_retention_days", "9")
    refused = stack.invoke("chamber.rotate", "--service", ADMIN, "--yes")
    assert refused.code == 3 and "aws_db_instance" in refused.err and "run: invoke deploy" in refused.err
    assert ssm.get_parameter(Name=MASTER, WithDecryption=True)["Parameter"]["Value"] == CANARY
    (stack.folder / "workspaces" / "local.tfvars").write_text(undeployed)

    asked = stack.invoke("chamber.rotate", "--service", ADMIN)
    assert asked.code == 3 and "Change the database's master password in account 000000000000" in asked.err
    watch = Watch(CANARY)
    watch.start()
    rotated = stack.must("chamber.rotate", "--service", ADMIN, "--yes")
    watch.end()
    new = ssm.get_parameter(Name=MASTER, WithDecryption=True)["Parameter"]["Value"]
    assert new != CANARY and len(new) == 32 and watch.found == []
    assert not {CANARY, new} & set((rotated.out + rotated.err).split()) and new not in rotated.out + rotated.err
    stack.require_clean()
    for file in (stack.folder / ".local").rglob("*"):
        if file.is_file() and ".local/aws/" not in str(file) and "ministack" not in str(file):
            assert new.encode() not in file.read_bytes(), file
