"""Circles and polygons against pgsphere, the geometry that other archives' TAP services run on."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from tap.adql import predicates
from tap.adql.predicates import Ragged
from tap.adql.spatial_postgres import array
from tests.tap.adql import oracle

# pgsphere takes points within about 1e-9 radians of an edge as being on it, and its polygons close in the plane of
# neighbouring vertices to the same accuracy: what is nearer than 1e-8 degrees to an edge is left out.
EDGE = 1e-8


def sphere_script():
    """What creates pgsphere's types, '' where it is not installed.

    PostgreSQL 15.8 and later refuse contradicting commutators and negators as those in the script of Debian's pgsphere 1.2,
    so that CREATE EXTENSION fails; operators that have none give the same answers.
    """
    scripts = sorted(Path("/usr/share/postgresql").glob("*/extension/pg_sphere--1.[0-9].[0-9].sql"))
    if not scripts:
        return ""
    text = scripts[-1].read_text().replace("MODULE_PATHNAME", "$libdir/pg_sphere")
    text = re.sub(r"^\\echo.*$", "", text, flags=re.MULTILINE)
    return re.sub(r",\s*(?:COMMUTATOR|NEGATOR)\s*=\s*\S+?(?=\s*[,)])", "", text)


@pytest.fixture(scope="module")
def pgsphere(postgres_url, duckdb_archive):
    """A connection to a server with pgsphere that has the archive's stars and the centres of its fields."""
    connection = psycopg2.connect(postgres_url)
    connection.autocommit = True
    cursor = connection.cursor()
    script = sphere_script()
    if script:
        cursor.execute(script)
    else:
        message = "pgsphere is not installed (Debian: postgresql-15-pgsphere)"
        if "pgsphere" in os.environ.get("VOGATE_REQUIRE", "").split(","):
            pytest.fail(message)
        pytest.skip(message)
    cursor.execute("CREATE TEMP TABLE stars (id integer, place spoint)")
    stars = duckdb_archive.tables["stars"]
    rows = zip(*(stars[name].to_pylist() for name in ("id", "ra", "dec")))
    execute_values(
        cursor, "INSERT INTO stars VALUES %s", list(rows), "(%s, spoint(radians(%s), radians(%s)))"
    )
    yield cursor
    connection.close()


def sphere_polygon(lon, lat):
    return "spoly '{" + ",".join(f"({float(x)!r}d,{float(y)!r}d)" for x, y in zip(lon, lat)) + "}'"


def sphere_circle(lon, lat, radius):
    return f"scircle '<({float(lon)!r}d,{float(lat)!r}d),{float(radius)!r}d>'"


def adql_polygon(lon, lat):
    return f"POLYGON({', '.join(repr(float(v)) for v in np.stack([lon, lat], 1).ravel())})"


def near_edge(archive, differing, edges):
    """Of the differing ids, those that are too near an edge to be compared."""
    stars = archive.tables["stars"]
    at = {number: i for i, number in enumerate(stars["id"].to_pylist())}
    lon, lat = stars["ra"].to_numpy(), stars["dec"].to_numpy()
    return {number for number in differing if edges(oracle.vectors(lon[at[number]], lat[at[number]])) < EDGE}


def test_circles_have_pgsphere_s_rows(archive, pgsphere):
    rng = np.random.default_rng(51)
    sizes = [0, 0]
    for number in range(150):
        lon, lat = (float(v[0]) for v in oracle.degrees(oracle.random_directions(rng, 1)))
        if number % 5 == 0:
            lon, lat = [(0.0, 90.0), (0.0, -90.0), (0.0, 0.0), (359.999, 1.0), (40.0, 20.0)][number // 5 % 5]
        radius = float(rng.choice([0.5, 3.0, 20.0, 80.0])) * float(rng.uniform(0.1, 1.1))
        pgsphere.execute(f"SELECT id FROM stars WHERE place <@ {sphere_circle(lon, lat, radius)}")
        theirs = {row[0] for row in pgsphere.fetchall()}
        ours = set(archive.ids(f"1 = CONTAINS(POINT(ra, dec), CIRCLE({lon!r}, {lat!r}, {radius!r}))"))
        differing = ours ^ theirs
        assert differing == near_edge(
            archive, differing, partial(to_circle, oracle.vectors(lon, lat), radius)
        )
        sizes[bool(ours)] += 1
    assert min(sizes) > 5


def test_polygons_have_pgsphere_s_rows(archive, pgsphere):
    rng = np.random.default_rng(52)
    sizes = [0, 0]
    for number in range(150):
        lon, lat = (float(v[0]) for v in oracle.degrees(oracle.random_directions(rng, 1)))
        if number % 4 == 0:
            lon, lat = [(0.0, 90.0), (0.0, -90.0), (0.0, 0.0), (40.0, 20.0)][number // 4 % 4]
        x, y = oracle.star(rng, lon, lat, float(rng.choice([1.0, 5.0, 30.0])), int(rng.integers(3, 12)))
        pgsphere.execute(f"SELECT id FROM stars WHERE place <@ {sphere_polygon(x, y)}")
        theirs = {row[0] for row in pgsphere.fetchall()}
        ours = set(archive.ids(f"1 = CONTAINS(POINT(ra, dec), {adql_polygon(x, y)})"))
        differing = ours ^ theirs
        assert differing == near_edge(archive, differing, partial(to_boundary, oracle.vectors(x, y)))
        sizes[bool(ours)] += 1
    assert min(sizes) > 5


def to_circle(centre, radius, p):
    return abs(oracle.angle(p, centre) - radius)


def to_boundary(corners, p):
    """Degrees from a point to the sides of a polygon, or a little less (to their great circles)."""
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    normals /= np.sqrt((normals**2).sum(-1))[:, None]
    return float(np.degrees(np.abs(np.arcsin(np.clip(normals @ p, -1, 1)))).min())


SHAPES = 70


def shapes(rng):
    """(ADQL, pgsphere) of circles and polygons, many of which touch each other."""
    found = []
    for number in range(SHAPES):
        lon, lat = float(rng.uniform(20, 60)), float(rng.uniform(60, 90))
        if number % 2:
            radius = float(rng.uniform(0.2, 8))
            found.append((f"CIRCLE({lon!r}, {lat!r}, {radius!r})", sphere_circle(lon, lat, radius)))
        else:
            x, y = oracle.star(rng, lon, lat, float(rng.uniform(0.5, 15)), int(rng.integers(3, 8)))
            found.append((adql_polygon(x, y), sphere_polygon(x, y)))
    return found


@pytest.mark.parametrize(("adql", "operator"), [("INTERSECTS", "&&"), ("CONTAINS", "<@")])
def test_pairs_of_shapes_agree_with_pgsphere(archive, pgsphere, adql, operator):
    known = shapes(np.random.default_rng(53))
    values = [compiled_shape(archive, text) for text, _ in known]
    count = [0, 0]
    for i, (_, one) in enumerate(known):
        pgsphere.execute("SELECT " + ", ".join(f"{one} {operator} {other}" for _, other in known))
        theirs = list(pgsphere.fetchone())
        ours = answers_of(archive, adql, values[i], values)
        same = [j for j in range(SHAPES) if j != i]
        assert [ours[j] for j in same] == [theirs[j] for j in same]
        count[0] += ours.count(False)
        count[1] += ours.count(True)
    assert min(count) > 100


def answers_of(archive, adql, one, others):
    """Whether a shape meets, or is in, each of others."""
    if archive.engine == "postgres":
        name = f"vg_{adql.lower()}"
        calls = [f"{name}({array(one.encode())}, {array(other.encode())})" for other in others]
        return [value for (value,) in archive.connection.execute(
            f"SELECT unnest(ARRAY[{', '.join(calls)}]) AS x"
        ).fetchall()]  # fmt: skip
    test = predicates.intersects if adql == "INTERSECTS" else predicates.contains
    return test(Ragged.of([one] * len(others)), Ragged.of(others)).tolist()


def compiled_shape(archive, text):
    from tap.adql import regions

    if text.startswith("CIRCLE"):
        return regions.parse("CIRCLE ICRS " + text[7:-1].replace(",", " "))
    return regions.parse("POLYGON ICRS " + text[8:-1].replace(",", " "))
