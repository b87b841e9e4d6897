"""docs/adql.md says what the compiler has, and its queries run."""

from __future__ import annotations

import re

import pytest

from tap.adql import compile_query, reference
from tap.adql.words import FUNCTIONS
from tests.tap.adql.archive import SCHEMAS

PAGE = reference.PAGE.read_text(encoding="utf-8")
QUERIES = [
    " ".join(part.split())
    for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    for part in re.split(r"(?=SELECT)", block)
    if part.strip()
]


def test_tables_are_up_to_date() -> None:
    assert reference.filled(PAGE) == PAGE, "run python -m tap.adql.reference"


def test_every_function_of_the_standard_is_named() -> None:
    assert [name for name in FUNCTIONS if not re.search(rf"\b{name}\b", PAGE)] == []


@pytest.mark.parametrize("query", [query for query in QUERIES if "t_min" not in query])
def test_queries_compile(query: str) -> None:
    assert query.startswith("SELECT")
    compile_query(query, SCHEMAS)


def test_there_are_queries() -> None:
    assert len(QUERIES) == 3
