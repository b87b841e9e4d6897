"""Where a query is wrong, shown."""

from __future__ import annotations

from gateway.portal.adql_problem import excerpt, problem_of
from gateway.vo.errors import QueryError


def test_the_caret_stands_under_the_column() -> None:
    assert excerpt("SELECT *\nFORM t", 2, 1) == "FORM t\n^"
    assert excerpt("SELECT x", 1, 8) == "SELECT x\n       ^"


def test_long_lines_are_cut_around_the_place() -> None:
    line, caret = excerpt("a" * 300 + "!" + "b" * 300, 1, 301).split("\n")
    assert line[len(caret) - 1] == "!"
    assert len(line) <= 100


def test_places_outside_the_text_show_nothing() -> None:
    assert excerpt("SELECT", 7, 1) == ""
    assert problem_of(QueryError("no"), "SELECT").excerpt == ""
