"""The working root that adopts and does nothing else. That it really adopts is seen in tests/stack/test_log_groups.py."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tasks.core import adoption_root, keys
from tasks.core.log_adoption import TYPE

VERSIONS = 'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n'
OBJECTS = {
    keys.ADDRESS: "1-2-3",
    f"module.ec2_instances.{TYPE}.dmesg": "/var/log/dmesg",
    f'module.ecs["ows"].{TYPE}.service': "/maps/apps/ows",
    f'module.database_layer.{TYPE}.exports["postgresql"]': "/aws/rds/instance/maps/postgresql",
    f'module.database_layer.{TYPE}.exports["upgrade"]': "/aws/rds/instance/maps/upgrade",
}


@pytest.fixture
def written(local):
    """What stands in the root, and in each of its modules."""
    (local.root / "versions.tf").write_text(VERSIONS)

    def write(objects: dict[str, str]) -> dict[str, dict]:
        root = adoption_root.write(local, objects)
        return {str(file.parent.relative_to(root)): json.loads(file.read_text()) for file in root.rglob("main.tf.json")}

    return write


def test_each_object_is_imported_where_it_belongs_and_nothing_else_is_said(written):
    found = written(OBJECTS)
    assert found["."]["import"] == [{"to": address, "id": id_} for address, id_ in OBJECTS.items()]
    untouched = {"lifecycle": {"ignore_changes": "all"}}
    assert found["ecs"]["resource"] == {TYPE: {"service": untouched}}
    assert found["database_layer"]["resource"][TYPE]["exports"]["for_each"] == '${toset(["postgresql", "upgrade"])}'
    assert found["ecs_policy"]["resource"]["aws_kms_key"] == {"parameter_store_key": untouched}
    assert found["jobs"] == {}


def test_what_an_earlier_root_adopted_is_not_adopted_again(written):
    written(OBJECTS)
    found = written({keys.ALIAS_ADDRESS: "alias/maps"})
    assert len(found["."]["import"]) == 1 and found["ec2_instances"] == {}
    assert set(found) == {".", *adoption_root.MODULES}  # always the same, so one init is enough


def test_terraform_reads_it(written, local, need, terraform_environment):
    written(OBJECTS)
    root = local.local_dir / "roots" / "local" / adoption_root.KIND
    assert root.stat().st_mode & 0o077 == 0
    environment = {**os.environ, **terraform_environment}
    for words in (("init", "-input=false", "-backend=false"), ("validate",)):
        done = subprocess.run([need("terraform"), *words], cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
