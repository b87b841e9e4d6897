"""Queries of one shape, parsed once, are compiled as if each had been parsed by itself."""

from __future__ import annotations

import random
import re

import pytest

from gateway.vo.errors import QueryError
from tap.adql import templates
from tests.tap.adql.archive import SCHEMAS

SHAPES = [
    "SELECT TOP 5 id FROM survey.stars WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {x}, {y}, {i}))",
    "SELECT id, {i} AS n, {s} AS t FROM survey.stars WHERE DISTANCE(POINT(ra, dec), POINT({x}, -{y})) < {i}",
    "SELECT id FROM survey.stars WHERE ra BETWEEN -{x} AND +{y} AND name LIKE {s} OR flag IN ({i}, -{i}, - {i})",
    "SELECT ROUND(ra, {i}), CAST({s} AS VARCHAR(7)), {i} - 1, -{x} * 2 FROM survey.stars ORDER BY {i} OFFSET 4",
    'SELECT "Kind", COUNT(*) FROM survey.stars WHERE parallax > {x} GROUP BY "Kind" HAVING COUNT(*) > {i} ORDER BY 2',
    "SELECT CASE id WHEN {i} THEN {x} ELSE {y} END FROM survey.stars WHERE 1=INTERSECTS(BOX({x},{y},{i},1), POINT(ra,dec))",
    "SELECT id FROM survey.stars WHERE seen > {s} AND good = {s}",
    "SELECT id FROM survey.stars WHERE 1 = CONTAINS(POINT(ra, dec), REGION('Circle {x} {y} 2')) AND {i} < missing",
    "SELECT ivo_histogram(parallax, {x}, 999, {i}), {i} / 0x10 FROM survey.stars -- {x}\n WHERE id <> {i}",
]
STRINGS = ["'a'", "'it''s'", "'2020-01-01'", "'-- no comment'", "'T'", "''"]


def fill(shape, rng):
    makers = {
        "x": lambda: repr(rng.choice([rng.uniform(0, 300), 1e-7, 5.0])),
        "y": lambda: repr(rng.uniform(0, 99)),
        "i": lambda: str(rng.choice([0, 1, 7, 12345678901, 2**63, 10**25])) if rng.random() < 0.3 else "3",
        "s": lambda: rng.choice(STRINGS),
    }
    return re.sub(r"\{([xyis])\}", lambda found: makers[found.group(1)](), shape)


def outcome(archive, text):
    try:
        compiled = archive.compile(text, maxrec=100)
    except QueryError as error:
        return str(error), error.line, error.column, error.hint
    return compiled.sql, compiled.columns, compiled.tables, compiled.select_top


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_every_query_is_compiled_as_if_it_were_alone(archive, shape, monkeypatch):
    rng = random.Random(shape)
    texts = [fill(shape, rng) for _ in range(60)]
    shared = [outcome(archive, text) for text in texts]
    monkeypatch.setattr(templates, "MAX_LENGTH", 0)
    assert shared == [outcome(archive, text) for text in texts]
    assert len({one[0] for one in shared}) > 5


def test_a_known_shape_is_not_parsed_again(archive, monkeypatch):
    text = "SELECT id FROM survey.stars WHERE ra > {} AND name = '{}'"
    archive.compile(text.format(1.5, "x"))
    archive.compile(text.format(7.25, "first"))

    def no_parser(*_):
        raise AssertionError("parsed")

    no_parser.__wrapped__ = no_parser
    monkeypatch.setattr(templates, "parse", no_parser)
    sql = archive.compile(text.format(99.5, "it''s")).sql
    assert "99.5" in sql
    assert "'it''s'" in sql
    with pytest.raises(AssertionError, match="parsed"):
        archive.compile(text.format(1, "x"))


def test_a_query_compiled_in_the_midst_of_another_has_its_own_tree(archive, monkeypatch):
    from tap.adql import compile_query, objects

    text = "SELECT {} AS a, ivo_simbadpoint('{}') AS p FROM survey.extra"
    seen = []

    def find(name):
        if name == "outer":
            seen.append(compile_query(text.format(2.5, "inner"), SCHEMAS).sql)
        return 1.0, 2.0

    monkeypatch.setattr(objects, "_resolver", find)
    archive.compile(text.format(0.5, "inner"))
    outer = archive.compile(text.format(1.5, "outer")).sql
    assert "1.5" in outer
    assert "2.5" not in outer
    assert "2.5" in seen[0]
