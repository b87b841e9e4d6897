"""What this service offers beyond ADQL 2.1; an operator switches each on or off."""

from __future__ import annotations

from enum import Enum


class Extension(str, Enum):
    """Names as the operator and the capabilities write them."""

    CASE = "CASE"
    BITWISE = "BITWISE"
    HEXADECIMAL = "HEXADECIMAL"
    MOC = "MOC"
    VOGATE = "VOGATE"
    GAVO = "GAVO"


ALL_EXTENSIONS = frozenset(Extension)

DESCRIPTIONS = {
    Extension.CASE: "CASE WHEN condition THEN value ... ELSE value END, and CASE value WHEN ...",
    Extension.BITWISE: "The operators & | ^ ~ on integers.",
    Extension.HEXADECIMAL: "Integers in hexadecimal: 0x1F.",
    Extension.MOC: "Coverage maps as values, of xtype moc: MOC('4/10-12 5/60') and MOC(order, geometry); CONTAINS, "
    "INTERSECTS and AREA take them like any other geometry.",
    Extension.VOGATE: "Functions of this service's own, whose names begin with vogate_.",
    Extension.GAVO: "Functions of DaCHS, whose names begin with gavo_.",
}


def of_function(name: str) -> Extension | None:
    """The extension that a function, by its name in lower case, belongs to; None for the IVOA catalogue's."""
    if name == "moc":
        return Extension.MOC
    prefix = name.partition("_")[0].upper()
    return Extension(prefix) if prefix in (Extension.VOGATE, Extension.GAVO) else None


def named(names: list[str] | tuple[str, ...]) -> frozenset[Extension]:
    """Extensions by their names, in any case; `all` stands for all of them.

    Raises
    ------
    ValueError
        For a name that is none; the message lists them.
    """
    found: set[Extension] = set()
    for name in names:
        if name.lower() == "all":
            return ALL_EXTENSIONS
        try:
            found.add(Extension(name.upper()))
        except ValueError:
            known = ", ".join(item.value for item in Extension)
            raise ValueError(f"{name!r} is no extension of ADQL; there are {known} (or all).") from None
    return frozenset(found)
