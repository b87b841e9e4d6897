"""What this service offers beyond ADQL 2.1; an operator switches each on or off."""

from __future__ import annotations

from enum import Enum


class Extension(str, Enum):
    """Feature names, as the capabilities declare them."""

    CASE = "CASE"
    BITWISE = "BITWISE"
    HEXADECIMAL = "HEXADECIMAL"


ALL_EXTENSIONS = frozenset(Extension)

DESCRIPTIONS = {
    Extension.CASE: "CASE WHEN condition THEN value ... ELSE value END, and CASE value WHEN ...",
    Extension.BITWISE: "The operators & | ^ ~ on integers.",
    Extension.HEXADECIMAL: "Integers in hexadecimal: 0x1F.",
}
