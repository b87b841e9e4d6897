"""Functions that `PostgresEmitter` calls, in PL/pgSQL and SQL alone: no extension is needed.

They compute as DuckDB and numpy do: 1/0 is infinite, the logarithm of a negative number is NaN.
"""

from __future__ import annotations

from pathlib import Path

from tap.adql import healpix
from tap.adql.functions_more import leap_days

SCHEMA = "vogate"
"""Where they are; the connections of queries have it in their search_path."""

# Not STRICT: PostgreSQL puts the bodies of strict functions with CASE into no query, and calls are slow.  NULL gives NULL.
_REAL = {
    "vg_acos": "CASE WHEN abs(x) > 1 THEN 'NaN' ELSE acos(x) END",
    "vg_asin": "CASE WHEN abs(x) > 1 THEN 'NaN' ELSE asin(x) END",
    "vg_exp": "CASE WHEN x = 'NaN' THEN x WHEN x > 709.78 THEN 'Infinity' WHEN x < -745.13 THEN 0 ELSE exp(x) END",
    "vg_ln": "CASE WHEN x < 0 THEN 'NaN' WHEN x = 0 THEN '-Infinity' ELSE ln(x) END",
    "vg_log10": "CASE WHEN x < 0 THEN 'NaN' WHEN x = 0 THEN '-Infinity' ELSE log(x) END",
    "vg_sqrt": "CASE WHEN x < 0 THEN 'NaN' ELSE sqrt(x) END",
}
_DOUBLE = "DOUBLE PRECISION"

_SIMPLE = "".join(
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}(x {_DOUBLE}) RETURNS {_DOUBLE} LANGUAGE sql IMMUTABLE "
    f"PARALLEL SAFE AS $$ SELECT CAST({body} AS {_DOUBLE}) $$;\n"
    for name, body in _REAL.items()
)

_BASE = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};\n"
    + _SIMPLE
    + """
CREATE OR REPLACE FUNCTION vogate.isnan(x DOUBLE PRECISION) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT x = 'NaN' $$;
CREATE OR REPLACE FUNCTION vogate.vg_divide(a DOUBLE PRECISION, b DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN b = 0 THEN
        CASE WHEN a IS NULL THEN a WHEN a = 0 OR a = 'NaN' THEN DOUBLE PRECISION 'NaN'
            WHEN (a > 0) = (b::text NOT LIKE '-%') THEN DOUBLE PRECISION 'Infinity' ELSE DOUBLE PRECISION '-Infinity' END
        ELSE a / b END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_mod(a DOUBLE PRECISION, b DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN b = 0 OR a IN ('NaN', 'Infinity', '-Infinity') THEN 'NaN'
        ELSE CAST(mod(CAST(a::text AS numeric), CAST(b::text AS numeric)) AS DOUBLE PRECISION) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_pow(a DOUBLE PRECISION, b DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE AS $$
-- A block with EXCEPTION is a subtransaction, which parallel queries cannot have.
BEGIN
    RETURN power(a, b);
EXCEPTION
    WHEN numeric_value_out_of_range THEN
        RETURN CASE WHEN (abs(a) > 1) = (b > 0) THEN DOUBLE PRECISION 'Infinity' ELSE 0 END;
    WHEN invalid_argument_for_power_function THEN
        RETURN CASE WHEN a = 0 THEN DOUBLE PRECISION 'Infinity' ELSE DOUBLE PRECISION 'NaN' END;
END $$;
-- Halves away from zero; as in DuckDB the number is scaled, so 2.675 to two places is 2.68 though its double is less.
CREATE OR REPLACE FUNCTION vogate.vg_round(x DOUBLE PRECISION, places INTEGER) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(x) > 1e290 THEN x
        WHEN places < 0 THEN sign(x) * floor(abs(x / power(10::DOUBLE PRECISION, -places)) + 0.5)
            * power(10::DOUBLE PRECISION, -places)
        ELSE sign(x) * floor(abs(x * power(10::DOUBLE PRECISION, places)) + 0.5)
            / power(10::DOUBLE PRECISION, places) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_trunc(x DOUBLE PRECISION, places INTEGER) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(x) > 1e290 THEN x
        WHEN places < 0 THEN trunc(x / power(10::DOUBLE PRECISION, -places))
            * power(10::DOUBLE PRECISION, -places)
        ELSE trunc(x * power(10::DOUBLE PRECISION, places))
            / power(10::DOUBLE PRECISION, places) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_wrap(lon DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN lon >= 0 AND lon < 360 THEN lon ELSE lon - 360 * floor(lon / 360) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_point(lon DOUBLE PRECISION, lat DOUBLE PRECISION) RETURNS DOUBLE PRECISION[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(lat) <= 90 AND abs(lon) < 'Infinity' THEN ARRAY[vogate.vg_wrap(lon), lat] END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_circle(lon DOUBLE PRECISION, lat DOUBLE PRECISION, radius DOUBLE PRECISION)
RETURNS DOUBLE PRECISION[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN radius >= 0 AND radius <> 'NaN' THEN vogate.vg_point(lon, lat) || radius END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_in_polygon(
    x DOUBLE PRECISION, y DOUBLE PRECISION, z DOUBLE PRECISION, shape DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- In the gnomonic projection about the centre of the polygon's cap its sides are straight: crossings of a ray.
DECLARE
    cx DOUBLE PRECISION := shape[2]; cy DOUBLE PRECISION := shape[3]; cz DOUBLE PRECISION := shape[4];
    ux DOUBLE PRECISION; uy DOUBLE PRECISION; uz DOUBLE PRECISION; norm DOUBLE PRECISION;
    vx DOUBLE PRECISION; vy DOUBLE PRECISION; vz DOUBLE PRECISION;
    px DOUBLE PRECISION; py DOUBLE PRECISION; ax DOUBLE PRECISION; ay DOUBLE PRECISION;
    bx DOUBLE PRECISION; b_y DOUBLE PRECISION; depth DOUBLE PRECISION; side DOUBLE PRECISION;
    nx DOUBLE PRECISION; ny DOUBLE PRECISION; nz DOUBLE PRECISION; beside BOOLEAN; away DOUBLE PRECISION;
    last INTEGER := (array_length(shape, 1) - 5) / 3; i INTEGER; j INTEGER; k INTEGER; odd BOOLEAN := false;
BEGIN
    depth := x * cx + y * cy + z * cz;
    IF depth <= 0 THEN RETURN false; END IF;
    IF abs(cz) < 0.9 THEN ux := -cy; uy := cx; uz := 0; ELSE ux := 0; uy := -cz; uz := cy; END IF;
    norm := sqrt(ux * ux + uy * uy + uz * uz);
    ux := ux / norm; uy := uy / norm; uz := uz / norm;
    vx := cy * uz - cz * uy; vy := cz * ux - cx * uz; vz := cx * uy - cy * ux;
    px := (x * ux + y * uy + z * uz) / depth; py := (x * vx + y * vy + z * vz) / depth;
    FOR k IN 1..last LOOP
        i := 3 + 3 * k; j := 3 + 3 * (k % last + 1);
        norm := shape[i] * cx + shape[i + 1] * cy + shape[i + 2] * cz;
        ax := (shape[i] * ux + shape[i + 1] * uy + shape[i + 2] * uz) / norm;
        ay := (shape[i] * vx + shape[i + 1] * vy + shape[i + 2] * vz) / norm;
        norm := shape[j] * cx + shape[j + 1] * cy + shape[j + 2] * cz;
        bx := (shape[j] * ux + shape[j + 1] * uy + shape[j + 2] * uz) / norm;
        b_y := (shape[j] * vx + shape[j + 1] * vy + shape[j + 2] * vz) / norm;
        IF (ay > py) <> (b_y > py) THEN
            side := (bx - ax) * (py - ay) - (px - ax) * (b_y - ay);
            IF (b_y > ay AND side > 0) OR (b_y <= ay AND side < 0) THEN odd := NOT odd; END IF;
        END IF;
    END LOOP;
    IF odd THEN RETURN true; END IF;
    -- On the boundary is inside.
    FOR k IN 1..last LOOP
        i := 3 + 3 * k; j := 3 + 3 * (k % last + 1);
        ax := shape[i]; ay := shape[i + 1]; bx := shape[j]; b_y := shape[j + 1];
        nx := (ay - b_y) * (shape[i + 2] + shape[j + 2]) - (shape[i + 2] - shape[j + 2]) * (ay + b_y);
        ny := (shape[i + 2] - shape[j + 2]) * (ax + bx) - (ax - bx) * (shape[i + 2] + shape[j + 2]);
        nz := (ax - bx) * (ay + b_y) - (ay - b_y) * (ax + bx);
        norm := sqrt(nx * nx + ny * ny + nz * nz);
        nx := nx / norm; ny := ny / norm; nz := nz / norm;
        beside := (ny * shape[i + 2] - nz * ay) * x + (nz * ax - nx * shape[i + 2]) * y + (nx * ay - ny * ax) * z >= 0
            AND (b_y * nz - shape[j + 2] * ny) * x + (shape[j + 2] * nx - bx * nz) * y + (bx * ny - b_y * nx) * z >= 0;
        away := CASE WHEN beside THEN abs(nx * x + ny * y + nz * z)
            ELSE sqrt(least((x - ax) ^ 2 + (y - ay) ^ 2 + (z - shape[i + 2]) ^ 2,
                            (x - bx) ^ 2 + (y - b_y) ^ 2 + (z - shape[j + 2]) ^ 2)) END;
        IF away <= 2e-15 THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_inside(
    x DOUBLE PRECISION, y DOUBLE PRECISION, z DOUBLE PRECISION, shape DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- A unit vector in an encoded shape (tap.adql.shapes).
DECLARE
    kind INTEGER := shape[1]; at INTEGER := 6; found BOOLEAN;
    crossed DOUBLE PRECISION; dot DOUBLE PRECISION;
BEGIN
    IF kind = 2 THEN RETURN vogate.vg_in_polygon(x, y, z, shape); END IF;
    IF kind < 2 THEN
        dot := x * shape[2] + y * shape[3] + z * shape[4];
        crossed := sqrt((y * shape[4] - z * shape[3]) ^ 2 + (z * shape[2] - x * shape[4]) ^ 2
                        + (x * shape[3] - y * shape[2]) ^ 2);
        RETURN atan2(crossed, dot) <= shape[5] + 2e-15 OR shape[5] >= pi();
    END IF;
    WHILE at <= array_length(shape, 1) LOOP
        found := vogate.vg_inside(x, y, z, shape[at + 1:at + shape[at]::INTEGER]);
        IF kind = 5 THEN RETURN NOT found; END IF;
        IF found = (kind = 3) THEN RETURN found; END IF;
        at := at + 1 + shape[at]::INTEGER;
    END LOOP;
    RETURN kind = 4;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_point_in(lon DOUBLE PRECISION, lat DOUBLE PRECISION, shape DOUBLE PRECISION[])
RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(lat) <= 90 AND abs(lon) < 'Infinity' THEN vogate.vg_inside(
        cos(radians(lat)) * cos(radians(lon)), cos(radians(lat)) * sin(radians(lon)), sin(radians(lat)), shape) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_cap_box(
    x DOUBLE PRECISION, y DOUBLE PRECISION, z DOUBLE PRECISION, c DOUBLE PRECISION, s DOUBLE PRECISION) RETURNS BOX
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Longitudes and latitudes that a cap reaches, a little generous: regions are indexed by it.
DECLARE
    radius DOUBLE PRECISION := degrees(atan2(s, c)) + 1e-9;
    lat DOUBLE PRECISION := degrees(atan2(z, sqrt(x * x + y * y)));
    lon DOUBLE PRECISION; away DOUBLE PRECISION;
BEGIN
    IF lat + radius >= 90 OR lat - radius <= -90 THEN
        RETURN box(point(-180, lat - radius), point(540, lat + radius));
    END IF;
    lon := degrees(atan2(y, x));
    IF lon < 0 THEN lon := lon + 360; END IF;
    away := degrees(asin(least(1, sin(radians(radius)) / cos(radians(lat))))) + 1e-9;
    RETURN box(point(lon - away, lat - radius), point(lon + away, lat + radius));
END $$;
"""
)

_FOLDER = Path(__file__).parent / "postgres_sql"


def _file(name: str) -> str:
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    constants = {
        "@LEAPS@": ",".join(f"{day:.0f}" for day in leap_days()),
        "@ACROSS@": ",".join(map(str, healpix._ACROSS.ravel().tolist())),
        "@TURN@": ",".join(map(str, healpix._TURN.ravel().tolist())),
        "@REACHES@": ",".join(repr(healpix.circumradius(order)) for order in range(healpix.MAX_ORDER + 1)),
    }
    for name, value in constants.items():
        text = text.replace(name, value)
    return text


INSTALL = _BASE + "\n".join(map(_file, ("text", "shapes", "predicates", "regions", "sky", "mocs")))
"""SQL for the publisher, run by the schema's owner; running it again changes nothing."""
