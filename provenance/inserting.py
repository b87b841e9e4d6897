"""Rows into the database with as little work as possible: a job's end waits for them.

The same statements as Django's `bulk_create` would make.  It composes each of them anew, which takes most of the
time of recording; here the parts are kept by model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db import models as db

__all__ = ["gathered", "insert", "upsert"]

Row = TypeVar("Row", bound=db.Model)

MOST_VALUES = 30_000
"""Values in one statement; SQLite takes 32766."""


_Statements = list[tuple[str, list[Any]]]
_waiting: ContextVar[_Statements | None] = ContextVar(
    "statements that wait for the end of `gathered`", default=None
)


@contextmanager
def gathered() -> Iterator[None]:
    """Send what is written inside as one message at its end, if the database takes several statements in one.

    PostgreSQL does, and each message to it is a way there and back.  Inside, rows can not be read that were
    written inside; an error of the database comes at the end.
    """
    if connection.vendor != "postgresql":
        yield
        return
    statements: _Statements = []
    token = _waiting.set(statements)
    try:
        yield
    finally:
        _waiting.reset(token)
    if statements:
        with connection.cursor() as cursor:
            cursor.execute(
                "; ".join(sql for sql, _ in statements),
                [value for _, values in statements for value in values],
            )


@dataclass(frozen=True)
class _Shape:
    """How rows of a model are written; names are the models' own, quoted by the backend."""

    begin: str
    row: str
    fields: tuple[Any, ...]


@lru_cache(maxsize=64)
def _shape(model: type[db.Model], vendor: str) -> _Shape:
    quote = connection.ops.quote_name
    fields = tuple(
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key and isinstance(field, db.AutoField))
    )
    names = ", ".join(quote(str(field.column)) for field in fields)
    return _Shape(
        f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ",
        f"({', '.join(['%s'] * len(fields))})",
        fields,
    )


def insert(rows: Iterable[Row], *, new: bool = False) -> None:
    """Insert rows, leaving alone those that are there; `new` ones must not be there.

    In the order of their keys, so that two transactions that meet on the same rows cannot deadlock.
    """
    _write(rows, "" if new else " ON CONFLICT DO NOTHING")


def upsert(rows: Iterable[Row], fields: Sequence[str]) -> None:
    """Insert rows; of those that are there, by their primary key, these fields are overwritten."""
    rows = list(rows)
    if not rows:
        return
    meta, quote = rows[0]._meta, connection.ops.quote_name
    key = quote(str(meta.pk.column))
    columns = [quote(str(meta.get_field(name).column)) for name in fields]  # type: ignore[union-attr]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
    _write(rows, f" ON CONFLICT ({key}) DO UPDATE SET {changes}")


def _write(rows: Iterable[Row], conflict: str) -> None:
    ordered = sorted(rows, key=lambda row: str(row.pk or ""))
    if not ordered:
        return
    shape = _shape(type(ordered[0]), connection.vendor)
    step = max(1, MOST_VALUES // len(shape.fields))
    for start in range(0, len(ordered), step):
        part = ordered[start : start + step]
        values = [
            field.get_db_prep_save(getattr(row, field.attname), connection)
            for row in part
            for field in shape.fields
        ]
        sql = shape.begin + ", ".join([shape.row] * len(part)) + conflict
        if (waiting := _waiting.get()) is not None:
            waiting.append((sql, values))
            continue
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    for row in ordered:
        row._state.adding, row._state.db = False, connection.alias
