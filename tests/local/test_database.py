"""The database of an embedded AWS whose containers run: PostGIS, at an address that stays, with data that stays as long."""

from __future__ import annotations

import subprocess

import pytest

from room import Room, until

PASSWORD = "long-enough-1"


@pytest.fixture
def room_with_postgis(room: Room, stand_ins) -> Room:
    """A room of its own, and the database's image is in the engine."""
    return room


def _create(room: Room, name: str = "odc") -> dict:
    room.aws("rds").create_db_instance(
        DBInstanceIdentifier=name, Engine="postgres", EngineVersion="17.5", DBInstanceClass="db.t4g.micro", DBName="odc",
        MasterUsername="master", MasterUserPassword=PASSWORD, AllocatedStorage=20)
    return _available(room, name)


def _available(room: Room, name: str = "odc") -> dict:
    def look() -> dict:
        return room.aws("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]

    return until(look, lambda found: found["DBInstanceStatus"] != "creating", 90)


def _sql(room: Room, sql: str, endpoint: dict, host: str = "", mode: str = "require", password: str = PASSWORD) -> str:
    """The only value of a statement's answer; what went wrong where it failed."""
    program = ("import psycopg2, sys\nc = psycopg2.connect(sys.argv[1], password=sys.stdin.readline().strip())\n"
               "c.autocommit = True\nk = c.cursor()\nk.execute(sys.argv[2])\n"
               "print(k.fetchone()[0] if k.description else '')")
    place = f"host={host or endpoint['Address']} port={endpoint['Port']} dbname=odc user=master sslmode={mode}"
    done = subprocess.run([str(room.python), "-c", program, place, sql], input=password, capture_output=True, text=True)
    return (done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]).strip()


def test_it_is_postgis_reached_by_one_address_from_here_and_from_a_task_and_by_tls(room_with_postgis):
    room = room_with_postgis.start()
    instance = _create(room)
    endpoint = instance["Endpoint"]
    assert (instance["DBInstanceStatus"], endpoint["Address"]) == ("available", room.containers.bridge)
    assert _sql(room, "create extension postgis", endpoint) == ""
    assert _sql(room, "select postgis_lib_version()", endpoint).startswith("3.")
    for host in ("127.0.0.1", room.containers.bridge):
        assert _sql(room, "select ssl from pg_stat_ssl where pid = pg_backend_pid()", endpoint, host) == "True"
    task = room.run(f"wget -q -O - -T 3 http://{endpoint['Address']}:{endpoint['Port']}/; echo $?")
    assert "refused" not in " ".join(room.log(task))


def test_its_data_and_address_come_back_after_a_stop_and_after_kill_9(room_with_postgis):
    room = room_with_postgis.start("--save-every", "0.2")
    endpoint = _create(room)["Endpoint"]
    for number in (1, 2, 3):
        _sql(room, f"create table of_{number} (a int); insert into of_{number} values ({number})", endpoint)
        assert _sql(room, f"select a from of_{number}", endpoint) == str(number)
        if number == 2:
            room.kill()
        else:
            room.stop()
            assert not room.ids() and len(room.volumes()) == 1
        room.start("--save-every", "0.2")
        found = _available(room)
        assert (found["DBInstanceStatus"], found["Endpoint"]) == ("available", endpoint)
        # Told to be available as it was before the stop; PostgreSQL may still be starting, after kill -9 with a recovery.
        back = until(lambda table=f"of_{number}": _sql(room, f"select a from {table}", endpoint), str(number).__eq__, 60)
        assert back == str(number)
    assert len(room.ids()) == 1


def test_a_new_one_of_an_old_name_has_neither_its_data_nor_its_password(room_with_postgis):
    room = room_with_postgis.start()
    endpoint = _create(room)["Endpoint"]
    _sql(room, "create table t (a int)", endpoint)
    room.aws("rds").modify_db_instance(DBInstanceIdentifier="odc", MasterUserPassword="another-one", ApplyImmediately=True)
    assert until(lambda: _sql(room, "select 1", endpoint, password="another-one"), "1".__eq__, 30) == "1"
    assert "authentication failed" in _sql(room, "select 1", endpoint)
    room.aws("rds").delete_db_instance(DBInstanceIdentifier="odc", SkipFinalSnapshot=True)
    assert (room.ids(), room.volumes()) == ([], [])
    again = _create(room)["Endpoint"]
    assert _sql(room, "select count(*) from pg_tables where tablename = 't'", again) == "0"


@pytest.mark.parametrize("name", ["rds.postgis-image", "rds.address", "rds.data"])
def test_without_its_mend_the_database_is_not_what_the_project_needs(name, room_with_postgis):
    """What these mends do is shown above; here, that it takes them."""
    room = room_with_postgis.start("--without-mend", name)
    instance = _create(room)
    if name == "rds.postgis-image":
        assert instance["DBInstanceStatus"] == "failed" or "available" not in _sql(
            room, "select 'available' from pg_available_extensions where name = 'postgis'", instance["Endpoint"])
    if name == "rds.address":
        assert instance["Endpoint"]["Address"] == "localhost"
    if name == "rds.data":
        assert room.volumes() == []
