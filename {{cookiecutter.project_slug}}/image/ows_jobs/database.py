"""The database, seen with SQL: logins, roles, what is there and what is not. No datacube in here.

The connection is the one that datacube would make: DB_HOSTNAME, DB_PORT, DB_DATABASE, DB_USERNAME and DB_PASSWORD, which
chamber put into the environment, and libpq's PGSSLMODE and PGCONNECT_TIMEOUT.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from .failures import JobFailed, Unavailable


@contextmanager
def connected(username: str | None = None, password: str | None = None) -> Iterator[Database]:
    """A connection that commits each statement; of the given login or of the environment's.

    Raises Unavailable with libpq's own words, and JobFailed with the server's for a statement that it refuses.
    """
    try:
        made = psycopg2.connect(
            host=os.environ["DB_HOSTNAME"],
            port=os.environ.get("DB_PORT") or 5432,
            dbname=os.environ["DB_DATABASE"],
            user=username or os.environ["DB_USERNAME"],
            password=password or os.environ["DB_PASSWORD"],
            connect_timeout=os.environ.get("PGCONNECT_TIMEOUT") or 5,
        )
    except psycopg2.OperationalError as error:
        raise Unavailable(f"The database does not let us in: {one_line(error)}", _what_helps(str(error))) from error
    made.autocommit = True
    try:
        yield Database(made)
    except psycopg2.Error as error:
        raise JobFailed(f"The database refused: {one_line(error)}") from error
    finally:
        made.close()


class Database:
    """Questions and statements."""

    def __init__(self, made: Connection):
        self.connection = made

    def rows(self, sql: Any, *values: Any) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def one(self, sql: Any, *values: Any) -> Any:
        return self.rows(sql, *values)[0][0]

    def do(self, sql: Any, *values: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)

    def has_datacube(self) -> bool:
        return self.one("select to_regclass('agdc.dataset') is not null")

    def has_ows(self) -> bool:
        return self.one("select to_regclass('ows.layer_ranges') is not null")

    def require_datacube(self) -> None:
        """Raise JobFailed unless `datacube system init` was run here."""
        if not self.has_datacube():
            raise JobFailed("No DB schema exists: this database has no datacube in it.", "invoke service.run init-db")

    def require_ows(self) -> None:
        """Raise JobFailed unless the tables and views of OWS are there."""
        self.require_datacube()
        if not self.has_ows():
            raise JobFailed('relation "ows.layer_ranges" does not exist: this database has no OWS schema.',
                            "invoke service.run schema")

    def datasets(self) -> dict[str, int]:
        """How many datasets each product has; archived ones, which no map shows, are left out."""
        return dict(self.rows(
            "select product.name, count(dataset.id) from agdc.dataset_type product left join agdc.dataset dataset"
            " on dataset.dataset_type_ref = product.id and dataset.archived is null group by 1 order by 1"
        ))


def one_line(error: Exception) -> str:
    """What the server or libpq said, without the line breaks."""
    return " ".join(str(error).split())


def _what_helps(said: str) -> str:
    if "password authentication failed" in said or "no password supplied" in said:
        return f"invoke chamber.list {os.environ.get('CHAMBER_SERVICE', '')}".strip()
    return "invoke service.status"
