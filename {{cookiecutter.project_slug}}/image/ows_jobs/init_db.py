"""init-db: an empty database becomes a datacube's, with a login for each serving service.

Runs as the master user. On RDS that is no superuser, in the embedded AWS it is: both must do.
"""

from __future__ import annotations

import os

from . import logins
from .database import connected


def run() -> dict:
    services = os.environ.get("SERVING_CHAMBER_SERVICES", "").split()
    wanted = [logins.of_service(service) for service in services]  # before anything is changed
    with connected() as database:
        made = []
        if not database.one("select exists (select from pg_extension where extname = 'postgis')"):
            database.do("create extension postgis")
            made.append("extension postgis")
        made += logins.make_datacube_roles(database)
        existed = database.has_datacube()
        _say(made or ["PostGIS and datacube's roles are there."])
        _system_init()
        if not existed:
            made.append("datacube's schema")
        altered = [change for login in wanted if (change := logins.make_serving_role(database, login))]
        _say(altered or ["The serving roles are there."])
        database.require_datacube()
    made += altered
    return {"changed": bool(made), "made": made, "roles": [login.username for login in wanted]}


def _system_init() -> None:
    """Brings the schema up to date too, when the image holds a newer datacube."""
    from . import upstream

    upstream.datacube("system", "init")


def _say(lines: list[str]) -> None:
    for line in lines:
        print(line)
