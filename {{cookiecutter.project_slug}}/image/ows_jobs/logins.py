"""Roles of the database: datacube's own four, and the login that each serving chamber service holds."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from .database import Database, connected
from .failures import JobFailed, Misconfigured, Unavailable

# What `datacube system init` would make, each in the ones before it. It cannot do so itself on RDS: right after making
# agdc_admin it becomes it, which a master user that is no superuser may only do once it was granted to him.
ROLES = {
    "agdc_user": "nologin inherit",
    "agdc_ingest": "nologin inherit in role agdc_user",
    "agdc_manage": "nologin inherit in role agdc_user, agdc_ingest",
    "agdc_admin": "nologin inherit createrole in role agdc_manage",
}
SERVING = "agdc_user"  # reads, and nothing else


@dataclass(frozen=True)
class Login:
    """A role that may log in, as a chamber service names it."""

    service: str
    username: str
    password: str


def of_service(service: str) -> Login:
    """What chamber holds for a service. Asked for by name, so that nothing of this job's own login mixes in."""
    try:
        answer = subprocess.run(["/chamber", "export", "--format", "json", service], capture_output=True, text=True,
                                check=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"chamber cannot read the service {service}: {error.stderr.strip()}",
                          f"invoke chamber.list {service}") from error
    held = json.loads(answer.stdout)
    missing = [key for key in ("db_username", "db_password") if not held.get(key)]
    if missing:
        raise Misconfigured(f"The chamber service {service} holds no {' and no '.join(missing)}: "
                            "there is no login role to make of it.", f"invoke chamber.list {service}")
    if " " in held["db_password"]:
        raise Misconfigured(f"The db_password of the chamber service {service} holds a space, which datacube turns "
                            "into a plus sign.", f"invoke chamber.rotate {service}")
    return Login(service, held["db_username"], held["db_password"])


def make_datacube_roles(database: Database) -> list[str]:
    """datacube's roles, and the master user in the highest of them. Answers what was made."""
    made = []
    for role, options in ROLES.items():
        if not _exists(database, role):
            database.do(f"create role {role} {options}")
            made.append(role)
    if not database.one("select exists (select from pg_auth_members where roleid = 'agdc_admin'::regrole"
                        " and member = current_user::regrole and (to_jsonb(pg_auth_members) ->> 'set_option') is distinct"
                        " from 'false')"):
        database.do("grant agdc_admin to current_user")
        made.append("agdc_admin for the master user")
    return made


def make_serving_role(database: Database, login: Login) -> str | None:
    """A login that may read, with the password that chamber holds. Answers what was changed, None for nothing."""
    role = sql.Identifier(login.username)
    existed = _exists(database, login.username)
    if existed and _is_more_than_a_reader(database, login.username):
        raise JobFailed(f"The chamber service {login.service} names the login {login.username}, which may do more than "
                        "read: a serving container must not have it.", f"invoke chamber.list {login.service}")
    if existed and _is_reader(database, login.username) and _lets_in(login):
        return None
    # hashed here: the server's log may hold the statement
    hashed = encrypt_password(login.password, login.username, database.connection, "scram-sha-256")
    verb = sql.SQL("alter role" if existed else "create role")
    database.do(sql.SQL("{} {} login password {}").format(verb, role, sql.Literal(hashed)))
    database.do(sql.SQL("grant {} to {}").format(sql.Identifier(SERVING), role))
    return f"{'altered' if existed else 'made'} {login.username}"


def _exists(database: Database, role: str) -> bool:
    return database.one("select exists (select from pg_roles where rolname = %s)", role)


def _is_reader(database: Database, role: str) -> bool:
    return database.one("select rolcanlogin and pg_has_role(rolname, %s, 'usage') from pg_roles where rolname = %s",
                        SERVING, role)


def _is_more_than_a_reader(database: Database, role: str) -> bool:
    return database.one("select rolsuper or rolcreaterole or pg_has_role(rolname, 'agdc_ingest', 'member') from pg_roles"
                        " where rolname = %s", role)


def _lets_in(login: Login) -> bool:
    try:
        with connected(login.username, login.password):
            return True
    except Unavailable:
        return False
