"""PostgreSQL's SQL of MOCs: text outside, multiranges of order-29 cells inside, so that it needs no extension.

What compares a MOC with shapes of every row, or makes one of them, is not computed there; points are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.vo.errors import QueryError
from tap.adql import ir, moc, spatial_duckdb
from tap.adql.ir import Expr, Kind

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter

TEMPLATES = {
    "moc": "vg_moc_text(vg_moc({0}))",
    "moc_area": "vg_moc_area(vg_moc({0}))",
    "moc_complement": "vg_moc_text(vg_moc_all() - vg_moc({0}))",
    "moc_degrade": "vg_moc_text(vg_moc_degrade({extra}, vg_moc({0})))",
    "moc_difference": "vg_moc_text(vg_moc({0}) - vg_moc({1}))",
    "moc_intersection": "vg_moc_text(vg_moc({0}) * vg_moc({1}))",
    "moc_union": "vg_moc_text(vg_moc({0}) + vg_moc({1}))",
}

INSTALL = """
CREATE OR REPLACE FUNCTION vogate.vg_moc_all() RETURNS int8multirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT int8multirange(int8range(0, 3458764513820540928)) $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc(moc TEXT) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- NULL for what is no MOC, as tap.adql.moc.parse refuses it.
DECLARE
    level INTEGER := -1; word TEXT; bounds TEXT[]; low BIGINT; high BIGINT; size BIGINT; last BIGINT;
    parts int8range[] := '{}'; spaced TEXT := translate(moc, ',', ' ');
BEGIN
    IF spaced !~ '^\\s*(\\d{1,2}/\\s*((\\d{1,19}-\\d{1,19}|\\d{1,19})(\\s+|$))*)*$' THEN RETURN NULL; END IF;
    FOREACH word IN ARRAY regexp_split_to_array(btrim(replace(spaced, '/', '/ '), E' \\t\\n\\r'), '\\s+') LOOP
        CONTINUE WHEN word = '';
        IF right(word, 1) = '/' THEN
            level := rtrim(word, '/')::INTEGER;
            IF level > 29 THEN RETURN NULL; END IF;
            size := 1::BIGINT << (2 * (29 - level));
            last := 12::BIGINT << (2 * level);
            CONTINUE;
        END IF;
        bounds := string_to_array(word, '-');
        IF bounds[1]::NUMERIC >= last OR bounds[array_upper(bounds, 1)]::NUMERIC >= last THEN RETURN NULL; END IF;
        low := bounds[1]::BIGINT; high := bounds[array_upper(bounds, 1)]::BIGINT;
        IF low > high THEN RETURN NULL; END IF;
        parts := parts || int8range(low * size, (high + 1) * size);
    END LOOP;
    RETURN (SELECT coalesce(range_agg(part), '{}'::int8multirange) FROM unnest(parts) AS part);
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_text(moc int8multirange) RETURNS TEXT
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The largest cells that fit, by order.
DECLARE
    rest int8multirange := moc; piece int8range; found int8range[]; words TEXT[]; result TEXT[] := '{}';
    size BIGINT; low BIGINT; high BIGINT;
BEGIN
    FOR level IN 0..29 LOOP
        EXIT WHEN isempty(rest);
        size := 1::BIGINT << (2 * (29 - level)); found := '{}'; words := '{}';
        FOR piece IN SELECT unnest(rest) LOOP
            low := (lower(piece) + size - 1) / size; high := upper(piece) / size;
            IF low < high THEN
                found := found || int8range(low * size, high * size);
                words := words || CASE WHEN high = low + 1 THEN low::TEXT ELSE low || '-' || high - 1 END;
            END IF;
        END LOOP;
        IF words <> '{}' THEN
            result := result || (level || '/' || array_to_string(words, ','));
            rest := rest - (SELECT range_agg(part) FROM unnest(found) AS part);
        END IF;
    END LOOP;
    RETURN CASE WHEN result = '{}' THEN '0/' ELSE array_to_string(result, ' ') END;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_degrade(level INTEGER, moc int8multirange) RETURNS int8multirange
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(range_agg(int8range(lower(part) / size * size, (upper(part) + size - 1) / size * size)), '{}')
    FROM unnest(moc) AS part, (SELECT 1::BIGINT << (2 * (29 - level)) AS size) AS s
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_area(moc int8multirange) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(sum(CAST(upper(part) - lower(part) AS NUMERIC)), 0)::DOUBLE PRECISION
        / 3458764513820540928.0::DOUBLE PRECISION * 41252.961249419277
    FROM unnest(moc) AS part
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_of_cells(level INTEGER, cells BIGINT[]) RETURNS int8multirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(range_agg(int8range(cell * size, (cell + 1) * size)), '{}')
    FROM unnest(cells) AS cell, (SELECT 1::BIGINT << (2 * (29 - level)) AS size) AS s WHERE cell IS NOT NULL
$$;
"""
"""Functions of MOCs; part of `postgres_functions.INSTALL`."""


def _literal(ranges: moc.Ranges) -> str:
    return "'{" + ",".join(f"[{low},{high})" for low, high in ranges.tolist()) + "}'::int8multirange"


def cells(emitter: Emitter, expr: Expr) -> str:
    """A MOC as a multirange."""
    if isinstance(expr, ir.FixedMoc):
        return _literal(moc.parse(expr.text))
    return f"vg_moc({emitter.value(expr)})"


def gathered(emitter: Emitter, expr: ir.Aggregate) -> str:
    """The MOC of the cells of all positions of a group."""
    order, lon, lat = expr.args
    level = emitter.value(order)
    where = f"{spatial_duckdb.double(emitter, lon)}, {spatial_duckdb.double(emitter, lat)}"
    cells = f"array_agg(DISTINCT vg_healpix(CAST({level} AS INTEGER), {where}))"
    return f"vg_moc_text(vg_moc_of_cells(CAST({level} AS INTEGER), {cells}))"


def of_shape(emitter: Emitter, expr: ir.Call) -> str:
    raise QueryError(
        "This service's database does not make MOCs of the regions of every row.",
        hint="MOCs of constant regions can be made.",
    )


def test(emitter: Emitter, op: str, a: Expr, b: Expr) -> str:
    """CONTAINS (`a` in `b`) or INTERSECTS of two MOCs, or a point and a MOC."""
    if a.kind is b.kind is Kind.MOC:
        return f"({cells(emitter, a)} {'<@' if op == 'CONTAINS' else '&&'} {cells(emitter, b)})"
    raise QueryError(
        "This service's database does not compare regions of every row with MOCs.",
        hint="MOCs with points and MOCs with MOCs are compared.",
    )
