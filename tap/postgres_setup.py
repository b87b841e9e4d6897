"""What the archive needs in a PostgreSQL database: our functions, the table of the manifest, a role for queries.

`prepare` makes whatever is missing each time something is published; nobody has to run a script.  The role that queries
have may read published tables, use our functions and make temporary tables, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from gateway.vo.errors import NotAvailable
from tap.adql.postgres_functions import INSTALL

log = logging.getLogger("vogate.publish")

ROLE = "vogate_query"
"""Role of queries where no separate address (`TAP_QUERY_DATABASE_URL`) names one."""
QUERY_URL = "TAP_QUERY_DATABASE_URL"
DRAFTS = "vogate_draft"
CONNECT_SECONDS = 5
PUBLISHING, DRAFTING = 0x566F6761, 0x566F6762
"""Keys of advisory locks."""

TABLES = """
CREATE SCHEMA IF NOT EXISTS vogate_draft;
CREATE TABLE IF NOT EXISTS vogate.archive (
    only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one),
    origin TEXT NOT NULL, version BIGINT NOT NULL, manifest TEXT NOT NULL, functions TEXT NOT NULL);
CREATE SEQUENCE IF NOT EXISTS vogate.relation;
"""


@contextlib.contextmanager
def connected(url: str) -> Iterator[Any]:
    """A connection of the archive's owner, in autocommit mode.

    Raises
    ------
    NotAvailable
        If the database cannot be reached.
    """
    try:
        connection = psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        log.error("the archive's database cannot be reached: %s", " ".join(str(error).split()))
        raise NotAvailable(
            "The archive's database cannot be reached.", hint="Try again in a moment."
        ) from None
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def query_role(url: str) -> str:
    """The role that is granted to read what is published."""
    other = os.environ.get(QUERY_URL, "")
    return parse_dsn(other).get("user", "") if other else ROLE


def query_server(url: str) -> tuple[str, str]:
    """Where query workers connect, and the role that they take on there; what is published is granted to it."""
    other = os.environ.get(QUERY_URL, "")
    with connected(url) as connection:
        if prepared(connection):
            grant_all(connection)
        known = role_exists(connection, ROLE)
    return (other, "") if other else (url, ROLE if known else "")


def role_exists(connection: Any, role: str) -> bool:
    """Whether there is such a role, and this user may become it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (role,)
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def _stamp() -> str:
    return hashlib.sha256((INSTALL + TABLES).encode()).hexdigest()[:16]


def prepared(connection: Any) -> bool:
    """Whether `prepare` has nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('vogate.archive') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return False
        cursor.execute("SELECT functions FROM vogate.archive")
        row = cursor.fetchone()
    return bool(row) and row[0] == _stamp()


def prepare(connection: Any) -> None:
    """Make what is missing; the caller holds the publishers' lock."""
    if not prepared(connection):
        with connection.cursor() as cursor:
            cursor.execute(INSTALL + TABLES)
            cursor.execute(
                "INSERT INTO vogate.archive (origin, version, manifest, functions) VALUES (%s, 0, '', %s) "
                "ON CONFLICT (only_one) DO UPDATE SET functions = EXCLUDED.functions",
                (secrets.token_hex(8), _stamp()),
            )
            if query_role("") == ROLE:
                _make_role(connection, cursor)
    grant_all(connection)


def grant_all(connection: Any) -> None:
    """Let the role of queries read what is published, if it is new here."""
    role = query_role("")
    with connection.cursor() as cursor:
        if not _exists(cursor, role):
            return
        cursor.execute("SELECT has_schema_privilege(%s, 'vogate', 'USAGE')", (role,))
        if cursor.fetchone()[0]:
            return
        name = sql.Identifier(role)
        cursor.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 's\\_%' AND pg_has_role(nspowner, 'MEMBER')"
        )
        for (schema,) in cursor.fetchall():
            where = sql.Identifier(schema)
            cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(where, name))
            cursor.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(where, name))
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA vogate TO {}").format(name))


def _exists(cursor: Any, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() is not None


def _make_role(connection: Any, cursor: Any) -> None:
    """The role of queries, if this user may make one; `vogate check` says so otherwise."""
    try:
        if not _exists(cursor, ROLE):
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(ROLE)))
        if not role_exists(connection, ROLE):
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(ROLE)))
    except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.DuplicateObject) as error:
        log.warning(
            "no role of their own for queries: %s (docs/operating.md has the commands)", str(error).strip()
        )


def grant(cursor: Any, schema: str, relations: list[str]) -> None:
    """Let queries read tables."""
    role = query_role("")
    if not _exists(cursor, role):
        return
    name, where = sql.Identifier(role), sql.Identifier(schema)
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(where, name))
    for relation in relations:
        table = sql.Identifier(schema, relation)
        cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(table, name))


def same_database(url: str) -> str:
    """The address without what is secret, for messages."""
    parts = parse_dsn(url)
    parts.pop("password", None)
    return str(make_dsn(**parts))
