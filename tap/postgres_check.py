"""What `vogate check` looks at in the archive's PostgreSQL: versions, our functions, and what queries may do there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2

from gateway.vo.errors import GatewayError
from tap import postgres_setup
from tap.postgres_setup import ROLE

OLDEST = 150000

__all__ = ["findings"]


def findings(url: str) -> Iterator[tuple[str, str]]:
    """('ok', 'warning' or 'error', a sentence) for each thing."""
    try:
        with postgres_setup.connected(url) as connection:
            yield from _server(connection)
            yield from _owner(connection)
        yield from _queries(url)
    except GatewayError as error:
        yield "error", f"{error.message} ({postgres_setup.same_database(url)})"
    except psycopg2.Error as error:
        yield "error", f"the archive's database: {' '.join(str(error).split())}"


def _one(connection: Any, sql: str, *values: object) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        row = cursor.fetchone()
        return row[0] if row else None


def _server(connection: Any) -> Iterator[tuple[str, str]]:
    version = connection.server_version
    text = f"PostgreSQL {version // 10000}.{version % 10000} holds the archive"
    yield ("ok", text) if version >= OLDEST else ("error", f"{text}; 15 or later is needed")
    encoding = _one(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        yield "error", f"its encoding is {encoding}; UTF8 is needed"


def _owner(connection: Any) -> Iterator[tuple[str, str]]:
    if postgres_setup.prepared(connection):
        yield "ok", "our functions are there and current"
    elif _one(connection, "SELECT has_database_privilege(current_database(), 'CREATE')"):
        yield (
            "warning",
            "our functions are missing or of another version: the next ingest or publish makes them",
        )
    else:
        yield "error", "this user may not create schemas: GRANT CREATE ON DATABASE ... TO ..."


def _queries(url: str) -> Iterator[tuple[str, str]]:
    """As whom queries run, and what they may do."""
    where, role = postgres_setup.query_server(url)
    with postgres_setup.connected(where) as connection:
        if role:
            with connection.cursor() as cursor:
                cursor.execute(f'SET ROLE "{role}"')
        user = _one(connection, "SELECT current_user")
        if not role and where == url:
            yield (
                "warning",
                f"queries run as {user}, who owns the tables: there is no role {ROLE} (see docs/operating.md)",
            )
            return
        faults = [text for text, sql in FORBIDDEN if _one(connection, sql)]
        for fault in faults:
            yield "error", f"the user of queries, {user}, {fault}"
        if not _one(connection, "SELECT has_database_privilege(current_database(), 'TEMPORARY')"):
            yield "error", f"{user} may make no temporary tables: GRANT TEMPORARY ON DATABASE ... TO {user}"
        if not faults:
            yield "ok", f"queries run as {user}, who may read published tables and change nothing"
        if not _one(connection, LIMITED):
            login = _one(connection, "SELECT session_user")
            yield (
                "warning",
                f"temporary files of queries are not limited: GRANT SET ON PARAMETER temp_file_limit TO {login}",
            )


LIMITED = (
    "SELECT setting::bigint >= 0 OR has_parameter_privilege(session_user, 'temp_file_limit', 'SET') "
    "FROM pg_settings WHERE name = 'temp_file_limit'"
)
FORBIDDEN = (
    ("is a superuser", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"),
    ("may create schemas", "SELECT has_database_privilege(current_database(), 'CREATE')"),
    (
        "may create tables in a schema",
        "SELECT bool_or(has_schema_privilege(oid, 'CREATE')) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'",
    ),
    (
        "may change tables",
        "SELECT bool_or(has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_|^information_schema'",
    ),
    (
        "may read tables that are not published",
        "SELECT bool_or(has_table_privilege(c.oid, 'SELECT')) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(s_|pg_|information_schema)'",
    ),
    (
        "may read files of the server",
        "SELECT pg_has_role(current_user, 'pg_read_server_files', 'USAGE') "
        "OR pg_has_role(current_user, 'pg_execute_server_program', 'USAGE')",
    ),
)
"""What queries must not be able to do, and how to ask."""
