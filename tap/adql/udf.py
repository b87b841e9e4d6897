"""User-defined functions: the IVOA catalogue's (EN-1.2) and DaCHS's, as the capabilities list them.

`DECLARED` is what a service says it has; several entries may share a name (overloads).
"""

from __future__ import annotations

from tap.adql import udf_gavo, udf_moc, udf_more
from tap.adql.ir import Kind
from tap.adql.library import Function

_N, _I, _T, _D = "number", "integer", "text", "timestamp"

DECLARED: tuple[Function, ...] = (
    Function(
        "ivo_hasword",
        "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER",
        "1 if all words of needle are words of haystack, in any case, else 0.",
        "ivo_hasword('Miller and Urey have', 'miller')",
        (_T, _T),
        "hasword",
        Kind.INTEGER,
    ),
    Function(
        "ivo_hashlist_has",
        "ivo_hashlist_has(hashlist TEXT, item TEXT) -> INTEGER",
        "1 if item is one of the words of hashlist, which are separated by #, in any case, else 0.",
        "ivo_hashlist_has('Red#green#blue', 'red')",
        (_T, _T),
        "hashlist_has",
        Kind.INTEGER,
    ),
    Function(
        "ivo_nocasematch",
        "ivo_nocasematch(value TEXT, pattern TEXT) -> INTEGER",
        "1 if value matches the LIKE pattern in any case, else 0; the same as ILIKE.",
        "ivo_nocasematch('ABcabc', 'ab__bc')",
        (_T, _T),
        "nocasematch",
        Kind.INTEGER,
    ),
    Function(
        "ivo_interval_overlaps",
        "ivo_interval_overlaps(a1 NUMERIC, b1 NUMERIC, a2 NUMERIC, b2 NUMERIC) -> INTEGER",
        "1 if the intervals from a1 to b1 and from a2 to b2 overlap or touch, else 0; an interval whose bounds are "
        "the wrong way round overlaps nothing.",
        "ivo_interval_overlaps(-2, 55.3, 2, 3)",
        (_N, _N, _N, _N),
        "interval_overlaps",
        Kind.INTEGER,
    ),
    Function(
        "ivo_string_agg",
        "ivo_string_agg(expression TEXT, delimiter TEXT) -> TEXT",
        "An aggregate: all values of expression that are not NULL, sorted, with delimiter between them.",
        "ivo_string_agg('a', ', ')",
        (_T, _T),
        "string_agg",
        Kind.TEXT,
    ),
    Function(
        "ivo_healpix_index",
        "ivo_healpix_index(hpxOrder INTEGER, long REAL, lat REAL) -> BIGINT",
        "Index of the HEALPix cell of that order, in NESTED numbering, that holds the position (degrees).",
        "ivo_healpix_index(17, 1, 1)",
        (_I, _N, _N),
        "healpix_index",
        Kind.INTEGER,
        ucd="pos.healpix",
    ),
    Function(
        "ivo_healpix_index",
        "ivo_healpix_index(hpxOrder INTEGER, p POINT) -> BIGINT",
        "Index of the HEALPix cell of that order, in NESTED numbering, that holds the point.",
        "ivo_healpix_index(17, POINT(1, 1))",
        (_I, "point"),
        "healpix_index",
        Kind.INTEGER,
        ucd="pos.healpix",
    ),
    Function(
        "ivo_healpix_center",
        "ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT",
        "Centre of a HEALPix cell (NESTED numbering); NULL where there is no such cell.",
        "ivo_healpix_center(0, 6)",
        (_I, _I),
        "healpix_center",
        Kind.POINT,
    ),
    Function(
        "ivo_to_jd",
        "ivo_to_jd(d TIMESTAMP) -> DOUBLE PRECISION",
        "The timestamp as a Julian date, with no change of time scale; ISO strings are taken too.",
        "ivo_to_jd('1910-12-31T06:00:00')",
        (_D,),
        "to_jd",
        Kind.REAL,
        unit="d",
        ucd="time.epoch",
    ),
    Function(
        "ivo_to_mjd",
        "ivo_to_mjd(d TIMESTAMP) -> DOUBLE PRECISION",
        "The timestamp as a modified Julian date, with no change of time scale; ISO strings are taken too.",
        "ivo_to_mjd('1910-12-31T06:00:00')",
        (_D,),
        "to_mjd",
        Kind.REAL,
        unit="d",
        ucd="time.epoch",
    ),
    Function(
        "ivo_hms_to_degrees",
        "ivo_hms_to_degrees(hms TEXT) -> DOUBLE PRECISION",
        "Degrees of an angle written as h:m:s, hhmmss or hHmMsS; NULL for what is none of these.",
        "ivo_hms_to_degrees('3h34m45.4s')",
        (_T,),
        "hms_to_degrees",
        Kind.REAL,
        unit="deg",
    ),
    Function(
        "ivo_dms_to_degrees",
        "ivo_dms_to_degrees(dms TEXT) -> DOUBLE PRECISION",
        "Degrees of an angle written as d:m:s, ddmmss or dDmMsS, with or without a sign; NULL for what is none.",
        "ivo_dms_to_degrees('-00:15:00')",
        (_T,),
        "dms_to_degrees",
        Kind.REAL,
        unit="deg",
    ),
    *udf_more.CATALOGUE,
    *udf_more.OWN,
    *udf_moc.MOCS,
    *udf_gavo.GAVO,
)

NAMES = frozenset(function.name for function in DECLARED)


def overloads(name: str) -> list[Function]:
    """The functions of a name, in lower case."""
    return [function for function in DECLARED if function.name == name]
