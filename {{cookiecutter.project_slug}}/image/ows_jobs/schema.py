"""schema: the tables and views of OWS beside the datacube. Run after init-db, and after an upgrade of OWS."""

from __future__ import annotations

from .database import Database, connected
from .failures import JobFailed

VIEWS = ("space_view", "time_view", "space_time_view")


def run() -> dict:
    with connected() as database:
        database.require_datacube()
        missing = _missing(database)
        _update()
        # Upstream's own grant has no effect: it is made as agdc_admin, to which an earlier statement switched, and which
        # does not own the schema. Without it OWS serves no layer while its health check answers 200.
        database.do("grant usage on schema ows to agdc_user")
        still = _missing(database)
        if still:
            raise JobFailed(f"After `datacube-ows-update --schema` the database still has no {', no '.join(still)}.",
                            "invoke service.run schema")
    for name in missing:
        print(f"Made {name}.")
    return {"changed": bool(missing), "made": missing}


def _missing(database: Database) -> list[str]:
    """What a server that may only read would miss."""
    missing = [f"ows.{name}" for name in ("layer_ranges", *VIEWS)
               if not database.one("select to_regclass(%s) is not null", f"ows.{name}")]
    usage = ("select exists (select from pg_namespace where nspname = 'ows'"
             " and has_schema_privilege('agdc_user', oid, 'usage'))")
    return missing if database.one(usage) else [*missing, "usage of the schema ows for agdc_user"]


def _update() -> None:
    from . import upstream

    upstream.datacube_ows_update("--schema")
