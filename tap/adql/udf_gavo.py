"""Functions of DaCHS that its users know, as the capabilities list them; most compute as one of the catalogue's.

Left out: gavo_ipix, which numbers the cells of another server's index, and gavo_vocmatch, which needs the IVOA's
vocabularies from the network.
"""

from __future__ import annotations

from tap.adql.ir import Kind
from tap.adql.library import Function

_N, _I, _T, _D, _G = "number", "integer", "text", "timestamp", "geometry"


def _time(name: str, what: str, op: str) -> Function:
    return Function(
        name,
        f"{name}(d TIMESTAMP) -> DOUBLE PRECISION",
        f"The timestamp as a {what}, as ivo_{op}.",
        f"{name}('1910-12-31T06:00:00')",
        (_D,),
        op,
        Kind.REAL,
        unit="d",
        ucd="time.epoch",
    )


GAVO: tuple[Function, ...] = (
    Function(
        "gavo_match",
        "gavo_match(pattern TEXT, string TEXT) -> INTEGER",
        "1 if the regular expression matches anything in the string, else 0.",
        "gavo_match('^NGC *[0-9]+$', 'NGC 4261')",
        (_T, _T),
        "regex_match",
        Kind.INTEGER,
    ),
    _time("gavo_to_jd", "Julian date", "to_jd"),
    _time("gavo_to_mjd", "modified Julian date", "to_mjd"),
    Function(
        "gavo_histogram",
        "gavo_histogram(val REAL, lower REAL, upper REAL, nbins INTEGER) -> BIGINT[]",
        "An aggregate: the same as ivo_histogram.",
        "gavo_histogram(0.5, 0, 1, 4)",
        (_N, _N, _N, _I),
        "histogram",
        Kind.OTHER,
    ),
    Function(
        "gavo_transform",
        "gavo_transform(from_sys TEXT, to_sys TEXT, geo GEOMETRY) -> GEOMETRY",
        "A point, circle or polygon in another coordinate system, as ivo_geom_transform.",
        "gavo_transform('ICRS', 'GALACTIC', POINT(266.405, -28.936))",
        (_T, _T, _G),
        "rotate",
        Kind.POINT,
    ),
    Function(
        "gavo_apply_pm",
        "gavo_apply_pm(ra DOUBLE PRECISION, dec DOUBLE PRECISION, pmra DOUBLE PRECISION, pmde DOUBLE PRECISION, "
        "epdist DOUBLE PRECISION) -> POINT",
        "The position (degrees) after epdist Julian years of a proper motion in degrees a year, pmra with the cosine "
        "of the declination. New queries had better use ivo_epoch_prop_pos.",
        "gavo_apply_pm(269.45, 4.69, -0.000222667, 0.00287844, -16)",
        (_N,) * 5,
        "epoch_prop_pos",
        Kind.POINT,
    ),
    Function(
        "gavo_normal_random",
        "gavo_normal_random(mu REAL, sigma REAL) -> REAL",
        "A random number from a normal distribution, as ivo_normal_random.",
        "gavo_normal_random(5, 2)",
        (_N, _N),
        "normal_random",
        Kind.REAL,
    ),
    Function(
        "gavo_simbadpoint",
        "gavo_simbadpoint(identifier TEXT) -> POINT",
        "The position of an object by its name, which is written out, as ivo_simbadpoint.",
        "gavo_simbadpoint('Crab Nebula')",
        (_T,),
        "simbadpoint",
        Kind.POINT,
    ),
    Function(
        "gavo_specconv",
        "gavo_specconv(expr NUMERIC, dest_unit TEXT) -> DOUBLE PRECISION",
        "A wavelength, frequency or energy in another unit, whichever of the three that measures; the unit of expr "
        "is that of its columns.",
        "gavo_specconv(vogate_convert(656.3, 'nm', 'm'), 'eV')",
        (_N, _T),
        "scale",
        Kind.REAL,
    ),
    Function(
        "gavo_specconv",
        "gavo_specconv(expr NUMERIC, expr_unit TEXT, dest_unit TEXT) -> DOUBLE PRECISION",
        "The same for an expr in the unit expr_unit, as vogate_convert.",
        "gavo_specconv(656.3, 'nm', 'eV')",
        (_N, _T, _T),
        "scale",
        Kind.REAL,
    ),
    Function(
        "gavo_getauthority",
        "gavo_getauthority(ivoid TEXT) -> TEXT",
        "The authority of an IVOID or another URI; NULL for what is none.",
        "gavo_getauthority('ivo://org.gavo.dc/foo/bar#baz')",
        (_T,),
        "authority",
        Kind.TEXT,
    ),
)
