"""Legal queries made at random over the test archive, with the same in SQLite's SQL where that can say it."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Both:
    """A piece of a query in ADQL and in SQLite's SQL ('' where SQLite has no such thing)."""

    adql: str
    lite: str

    def __format__(self, spec: str) -> str:
        return getattr(self, spec)


def same(text: str) -> Both:
    return Both(text, text)


def join(form: str, *parts: Both) -> Both:
    """`form` with {0}, {1}, ... filled in; not for SQLite if one of the parts is not."""
    lite = form.format(*(part.lite for part in parts)) if all(part.lite for part in parts) else ""
    return Both(form.format(*(part.adql for part in parts)), lite)


class Generator:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def pick(self, *items):
        return self.rng.choice(items)

    # Values

    def integer(self, t: str, depth: int = 2) -> Both:
        if depth == 0 or self.rng.random() < 0.3:
            return same(self.pick(f"{t}id", f"{t}flag", str(self.rng.randint(-9, 99))))
        a, b = self.integer(t, depth - 1), self.integer(t, depth - 1)
        kind = self.rng.randrange(6)
        if kind == 3:
            return join("({0} / {1})", a, b)
        if kind == 4:
            return join("COALESCE({0}, {1})", a, b)
        if kind == 5:
            return join("CASE WHEN {0} THEN {1} ELSE {2} END", self.condition(t, 1), a, b)
        return join("({0} " + "+-*"[kind] + " {1})", a, b)

    def real(self, t: str, depth: int = 2) -> Both:
        if depth == 0 or self.rng.random() < 0.25:
            return same(self.pick(f"{t}ra", f"{t}dec", f"{t}parallax", f"{self.rng.uniform(-50, 50):.6f}"))
        a, b = self.real(t, depth - 1), self.pick(self.real, self.integer)(t, depth - 1)
        kind = self.rng.randrange(9)
        if kind < 3:
            return join("({0} " + "+-*"[kind] + " {1})", a, b)
        if kind == 3:
            return join("({0} / (ABS({1}) + 1.5))", a, b)
        if kind == 4:
            return join("COALESCE({0}, {1})", a, b)
        only = [
            f"SQRT(ABS({a.adql}))",
            f"{a.adql} / ({b.adql})",
            f"LOG({a.adql})",
            f"ATAN2({a.adql}, {b.adql})",
            f"POWER(ABS({a.adql}), 1.5)",
            f"FLOOR({a.adql})",
            f"CEILING({b.adql})",
            f"TRUNCATE({t}ra, {self.rng.randint(0, 3)})",
            f"ROUND({t}dec, {self.rng.randint(0, 3)})",
            f"SIN({a.adql}) * COS(RADIANS({b.adql}))",
            f"EXP({t}dec / 9)",
            f"DISTANCE({t}ra, {t}dec, 40, 20)",
        ]
        return Both(self.pick(*only), "")

    def text(self, t: str) -> Both:
        return self.pick(
            same(f"{t}name"),
            same(f'{t}"Kind"'),
            join("{0} || {1}", same(f'{t}"Kind"'), same(f"{t}name")),
            same(f"LOWER({t}name)"),
            same(f"UPPER({t}name)"),
            same(f"COALESCE({t}name, 'none')"),
        )

    # Conditions

    def condition(self, t: str, depth: int = 2) -> Both:
        if depth and self.rng.random() < 0.4:
            a, b = self.condition(t, depth - 1), self.condition(t, depth - 1)
            return self.pick(join("({0} AND {1})", a, b), join("({0} OR {1})", a, b), join("(NOT {0})", a))
        number = self.pick(self.integer, self.real)
        kind = self.rng.randrange(10)
        if kind < 3:
            op = self.pick("<", "<=", ">", ">=", "<>", "=")
            return join("({0} " + op + " {1})", number(t, 1), number(t, 1))
        if kind == 3:
            return join("({0} BETWEEN {1} AND {2})", number(t, 1), number(t, 0), number(t, 0))
        if kind == 4:
            return join("({0} IN ({1}, {2}, 3))", self.integer(t, 1), self.integer(t, 0), self.integer(t, 0))
        if kind == 5:
            pattern = self.pick("Star 00%", "%7", "S__r%", "%", "", "a\\\\%", "star%")
            return join("({0} LIKE '" + pattern + "')", self.text(t))
        if kind == 6:
            return same(f"({t}{self.pick('parallax', 'name', 'flag')} IS {self.pick('', 'NOT ')}NULL)")
        if kind == 7:
            return join(
                "({0} IN (SELECT id FROM survey.extra WHERE id < {1}))", self.integer(t, 1), same("99")
            )
        if kind == 8:
            lat = self.rng.uniform(-90, 90)
            lon, size = self.rng.uniform(0, 360), self.rng.uniform(0.5, 60)
            shape = self.pick(
                f"CIRCLE({lon}, {lat}, {size})",
                f"BOX({lon}, {lat}, {size}, {size / 2})",
                f"POLYGON({lon}, {lat}, {lon + size}, {lat}, {lon}, {lat * 0.5})",
                f"REGION('Not (Circle {lon} {lat} {size})')",
            )
            return Both(f"({self.pick('0', '1')} = CONTAINS(POINT({t}ra, {t}dec), {shape}))", "")
        return Both(f"({self.text(t).adql} ILIKE '{self.pick('STAR%', 'b%', '%2_')}')", "")

    # Queries

    def query(self) -> tuple[str, str]:
        """ADQL, and SQLite's SQL or ''."""
        made = self.pick(
            self.simple, self.simple, self.grouped, self.joined, self.nested, self.combined, self.named
        )()
        return made.adql, made.lite.replace("survey.", "")

    def simple(self) -> Both:
        items = [self.integer(""), self.real(""), self.text("")]
        form = (
            "{top}id, {0} AS a, {1} AS b, {2} AS c FROM survey.stars WHERE {3} ORDER BY {order}id{way}{end}"
        )
        return self.limited(form, *items, self.condition(""))

    def limited(self, form: str, *parts: Both) -> Both:
        number, skip = self.rng.randint(0, 300), self.rng.randint(1, 50)
        offset = self.rng.random() < 0.3
        way = self.pick("", " DESC")
        order = self.pick("", "", "flag, ")
        fixed = {"order": order, "way": way}
        adql = form.format(
            *(part.adql for part in parts),
            **fixed,
            top=f"TOP {number} ",
            end=f" OFFSET {skip}" if offset else "",
        )
        lite = ""
        if all(part.lite for part in parts):
            fixed["order"] = order.replace(",", " NULLS LAST,")
            end = f" LIMIT {number}" + (f" OFFSET {skip}" if offset else "")
            lite = "SELECT " + form.format(*(part.lite for part in parts), **fixed, top="", end=end)
        return Both("SELECT " + adql, lite)

    def grouped(self) -> Both:
        return join(
            'SELECT "Kind", COUNT(*) AS n, SUM({0}) AS s, MIN({1}) AS lo, MAX({1}) AS hi, AVG({0}) AS m, '
            'COUNT(DISTINCT flag) AS d FROM survey.stars WHERE {2} GROUP BY "Kind" HAVING COUNT(*) > 1 ORDER BY 1',
            self.integer("", 1),
            self.pick(same("ra"), same("parallax"), same("id")),
            self.condition(""),
        )

    def joined(self) -> Both:
        kind = self.pick("JOIN", "LEFT JOIN", "INNER JOIN", "LEFT OUTER JOIN")
        return join(
            "SELECT s.id, e.id AS other, {0} AS a, e.name FROM survey.stars AS s "
            + kind
            + " survey.extra AS e "
            "ON s.id = e.id + {1} AND {2} WHERE s.id < 400 AND {3} ORDER BY s.id",
            self.real("s.", 1),
            same(str(self.rng.randint(0, 5))),
            self.condition("s.", 1),
            self.condition("s.", 1),
        )

    def nested(self) -> Both:
        return join(
            'SELECT q.k, COUNT(*) AS n, SUM(q.v) AS s FROM (SELECT "Kind" AS k, {0} AS v, id FROM survey.stars '
            "WHERE {1}) AS q WHERE q.id > {2} AND EXISTS (SELECT 1 FROM survey.extra AS e WHERE e.id = q.id) "
            "GROUP BY q.k ORDER BY 1",
            self.integer("", 1),
            self.condition(""),
            same(str(self.rng.randint(0, 50))),
        )

    def combined(self) -> Both:
        op = self.pick("UNION", "EXCEPT", "INTERSECT", "UNION ALL")
        return join(
            "SELECT id, flag FROM survey.stars WHERE id < 300 AND {0} " + op + " "
            "SELECT id, flag FROM survey.stars WHERE id < 200 AND {1} ORDER BY 1",
            self.condition("", 1),
            self.condition("", 1),
        )

    def named(self) -> Both:
        return join(
            "WITH few AS (SELECT id, ra, {0} AS v FROM survey.stars WHERE {1}) "
            "SELECT a.id, a.v, b.ra FROM few AS a, few AS b WHERE a.id = b.id AND a.id IN (SELECT id FROM survey.extra) "
            "ORDER BY a.id",
            self.integer("", 1),
            self.condition("", 1),
        )
