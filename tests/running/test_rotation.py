"""A new password in store and database together. Last, since the first one is gone for good afterwards."""

from __future__ import annotations

from engine import docker
from running_project import ADMIN, MASTER, READER, SERVICE


def lets_in(running, user: str, password: str) -> bool:
    """Whether the database takes this password, asked from a task's own network as its application would."""
    place = running.project.client("rds").describe_db_instances()["DBInstances"][0]["Endpoint"]
    program = ("import os, psycopg2; psycopg2.connect(host=os.environ['H'], port=os.environ['P'], dbname='datacube', "
               "user=os.environ['U'], password=os.environ['W'], sslmode='require')")
    asked = docker("run", "--rm", "--entrypoint", "python", "-e", f"H={place['Address']}", "-e", f"P={place['Port']}",
                   "-e", f"U={user}", "-e", f"W={password}", running.pinned, "-c", program, check=False)
    return asked.returncode == 0


def test_the_serving_role_gets_a_new_password_and_nobody_notices(running):
    assert lets_in(running, "datacube_wms_local", READER)
    with running.asked_for_maps() as answers:
        rotated = running.project.must("chamber.rotate", "--yes")
    new = running.secret(SERVICE, "db_password")
    assert new != READER and new not in rotated.out + rotated.err
    assert lets_in(running, "datacube_wms_local", new) and not lets_in(running, "datacube_wms_local", READER)
    assert set(answers) == {(200, True)}
    running.project.require_clean()


def test_the_master_gets_a_new_password(running):
    running.project.must("chamber.rotate", "--service", ADMIN, "--yes")
    new = running.secret(ADMIN, "db_password")
    assert lets_in(running, "master", new) and not lets_in(running, "master", MASTER)
    running.project.require_clean()
    assert running.get_map()[0] == 200
