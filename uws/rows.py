"""The job tables by statements of fixed text, for what is asked many times a second.

Django composes every query anew, which takes several times as long as the database needs to answer it.  What is
given here are conditions in SQL, whose words are ours; everything from outside is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection, models

from uws.models import Job, JobInput, JobResult

__all__ = ["fields", "first", "inputs_of", "marks", "query", "refresh", "results_of", "select", "update"]

Row = TypeVar("Row", bound=models.Model)
Converters = tuple[tuple[int, tuple[Callable[..., Any], ...], Any], ...]


@dataclass(frozen=True)
class _Shape:
    """How a model's rows are read."""

    names: tuple[str, ...]
    columns: str
    converters: Converters
    """Position, functions, expression: what makes Python values of a database's."""


@lru_cache(maxsize=32)
def _shape(model: type[models.Model], vendor: str, names: tuple[str, ...] | None = None) -> _Shape:
    fields: list[Any] = (
        list(map(model._meta.get_field, names)) if names else list(model._meta.concrete_fields)
    )
    converters = []
    for position, field in enumerate(fields):
        expression = field.cached_col
        found = [
            *connection.ops.get_db_converters(expression),
            *expression.get_db_converters(connection),
        ]
        if found:
            converters.append((position, tuple(found), expression))
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    return _Shape(tuple(field.attname for field in fields), columns, tuple(converters))


def _converted(shape: _Shape, row: Sequence[Any]) -> list[Any]:
    values = list(row)
    for position, functions, expression in shape.converters:
        for function in functions:
            values[position] = function(values[position], expression, connection)
    return values


def _build(model: type[Row], shape: _Shape, rows: Sequence[Sequence[Any]]) -> list[Row]:
    return [model.from_db(connection.alias, shape.names, _converted(shape, row)) for row in rows]


def query(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows that a statement gives, as the database gives them; times among the values are adapted."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [_adapted(value) for value in values])
        return list(cursor.fetchall())


def marks(values: Collection[object]) -> str:
    """The placeholders of so many values."""
    return ", ".join(["%s"] * len(values))


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if hasattr(value, "tzinfo") else value


def select(model: type[Row], condition: str, values: Sequence[Any]) -> list[Row]:
    """The rows of a model that a condition (with ORDER BY and LIMIT, where wanted) holds for."""
    shape = _shape(model, connection.vendor)
    table = connection.ops.quote_name(model._meta.db_table)
    return _build(model, shape, query(f"SELECT {shape.columns} FROM {table} WHERE {condition}", values))


def first(model: type[Row], condition: str, values: Sequence[Any]) -> Row | None:
    """One row, None if there is none."""
    found = select(model, f"{condition} LIMIT 1", values)
    return found[0] if found else None


def fields(
    model: type[models.Model], names: tuple[str, ...], condition: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Some fields' values of the rows that a condition holds for."""
    shape = _shape(model, connection.vendor, names)
    table = connection.ops.quote_name(model._meta.db_table)
    found = query(f"SELECT {shape.columns} FROM {table} WHERE {condition}", values)
    return [tuple(_converted(shape, row)) for row in found]


def update(
    model: type[Row], changes: Mapping[str, Any], condition: str, values: Sequence[Any], also: str = ""
) -> list[Row]:
    """Change the rows that a condition holds for, and give them back as they are then.

    Parameters
    ----------
    changes
        New values by field.
    also
        Further assignments in SQL.
    """
    quote, meta = connection.ops.quote_name, model._meta
    shape = _shape(model, connection.vendor)
    assigned, new = [also] if also else [], []
    for name, value in changes.items():
        field: Any = meta.get_field(name)
        assigned.append(f"{quote(field.column)} = %s")
        new.append(field.get_db_prep_save(value, connection))
    statement = (
        f"UPDATE {quote(meta.db_table)} SET {', '.join(assigned)} WHERE {condition} RETURNING {shape.columns}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*new, *map(_adapted, values)])
        return _build(model, shape, cursor.fetchall())


def refresh(job: Job) -> None:
    """Bring a job's fields up to date.

    Raises
    ------
    Job.DoesNotExist
        If it has gone.
    """
    found = first(Job, "id = %s", [job.pk])
    if found is None:
        raise Job.DoesNotExist(f"job {job.pk} is gone")
    for name in _shape(Job, connection.vendor).names:
        setattr(job, name, getattr(found, name))


def inputs_of(job: Job) -> list[JobInput]:
    """What a job was given, in order."""
    return select(JobInput, "job_id = %s ORDER BY role, position", [job.pk])


def results_of(job: Job) -> list[JobResult]:
    """What a job left, in order."""
    found = select(JobResult, "job_id = %s ORDER BY position", [job.pk])
    for row in found:
        row.job = job
    return found
