"""The login role with which a service's tasks reach the database: its name and password, in chamber's layout."""

from __future__ import annotations

from . import parameter_store
from .session import Session

DB_USERNAME = "db_username"


def role(chamber_service: str) -> str:
    """The role's name in PostgreSQL, which wants no hyphens."""
    return chamber_service.replace("-", "_")


def ensure(session: Session) -> list[str]:
    """Write name and a new password for each chamber service that has none; answers the names of those.

    The job init-db makes the roles of it. What is there is never written over: a running service uses it.
    """
    made = []
    for service in session.settings.own_chamber_services:
        if parameter_store.version(session, service, DB_USERNAME) is None:
            parameter_store.write(session, service, DB_USERNAME, role(service))
        if parameter_store.version(session, service, parameter_store.DB_PASSWORD) is None:
            parameter_store.write(session, service, parameter_store.DB_PASSWORD, parameter_store.generated_password())
            made.append(service)
    return made
