"""An error of a query with the line it is in and a mark under the place.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.vo.errors import GatewayError

_WIDTH = 100


@dataclass(frozen=True)
class AdqlProblem:
    """What a page shows of a refused query."""

    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    excerpt: str = ""
    """The line at fault, and below it a caret at the column; '' where the place is not known."""


def problem_of(error: GatewayError, adql: str) -> AdqlProblem:
    line, column = getattr(error, "line", 0), getattr(error, "column", 0)
    return AdqlProblem(error.message, error.hint, line, column, excerpt(adql, line, column))


def excerpt(adql: str, line: int, column: int) -> str:
    """`text`, newline, spaces and a caret; long lines are cut around the column."""
    lines = adql.replace("\r\n", "\n").split("\n")
    if not 1 <= line <= len(lines):
        return ""
    text = lines[line - 1].replace("\t", " ")
    column = min(max(column, 1), len(text) + 1)
    start = max(0, column - 1 - _WIDTH // 2)
    shown = text[start : start + _WIDTH]
    return f"{shown}\n{' ' * (column - 1 - start)}^"
