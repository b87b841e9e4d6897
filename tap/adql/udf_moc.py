"""The functions of MOCs, as the capabilities list them."""

from __future__ import annotations

from tap.adql.ir import Kind
from tap.adql.library import Function

_I, _N, _T, _G, _M = "integer", "number", "text", "geometry", "moc"
_TOUCHED = (
    "the cells, of that order or larger, that it touches; a cell that it all but touches may be among them"
)


def _pair(name: str, what: str, example: str, op: str) -> Function:
    return Function(
        name,
        f"{name}(a MOC, b MOC) -> MOC",
        f"The cells that are in {what} of two MOCs; strings in their ASCII form are taken too.",
        example,
        (_M, _M),
        op,
        Kind.MOC,
    )


MOCS: tuple[Function, ...] = (
    Function(
        "moc",
        "MOC(moc TEXT) -> MOC",
        "The MOC that a string describes in ASCII form, shortened; NULL for a column's value that is none.",
        "MOC('3/100-110 4/500')",
        (_T,),
        "moc",
        Kind.MOC,
    ),
    Function(
        "moc",
        "MOC(hpxOrder INTEGER, geo GEOMETRY) -> MOC",
        f"The MOC of a geometry: {_TOUCHED}. Of a MOC: its cells made that coarse.",
        "MOC(6, CIRCLE(83.63, 22.01, 2))",
        (_I, _G),
        "moc_of",
        Kind.MOC,
    ),
    Function(
        "vogate_moc",
        "vogate_moc(hpxOrder INTEGER, geo GEOMETRY) -> MOC",
        "The same as MOC(hpxOrder, geo).",
        "vogate_moc(6, CIRCLE(83.63, 22.01, 2))",
        (_I, _G),
        "moc_of",
        Kind.MOC,
    ),
    Function(
        "vogate_moc_agg",
        "vogate_moc_agg(hpxOrder INTEGER, lon REAL, lat REAL) -> MOC",
        "An aggregate: the MOC of the cells of that order that hold positions (degrees) of the group.",
        "vogate_moc_agg(6, 83.63, 22.01)",
        (_I, _N, _N),
        "moc_agg",
        Kind.MOC,
    ),
    _pair("vogate_moc_union", "either", "vogate_moc_union('3/1-2', '3/0,3')", "moc_union"),
    _pair("vogate_moc_intersection", "both", "vogate_moc_intersection('3/1-9', '2/2')", "moc_intersection"),
    _pair(
        "vogate_moc_difference",
        "the first and not in the second",
        "vogate_moc_difference('2/2', '3/9')",
        "moc_difference",
    ),
    Function(
        "vogate_moc_complement",
        "vogate_moc_complement(moc MOC) -> MOC",
        "All cells of the sky that are not in a MOC.",
        "vogate_moc_complement('0/0-10')",
        (_M,),
        "moc_complement",
        Kind.MOC,
    ),
    Function(
        "vogate_moc_area",
        "vogate_moc_area(moc MOC) -> DOUBLE PRECISION",
        "Area of a MOC in square degrees, as AREA(moc); NULL for a string that is no MOC.",
        "vogate_moc_area('0/0-11')",
        (_M,),
        "moc_area",
        Kind.REAL,
        unit="deg**2",
        ucd="phys.angArea",
    ),
    _pair("gavo_mocunion", "either", "gavo_mocunion(MOC('3/1-2'), MOC('3/0,3'))", "moc_union"),
    _pair("gavo_mocintersect", "both", "gavo_mocintersect(MOC('3/1-9'), MOC('2/2'))", "moc_intersection"),
)
