"""The search form's fields as they were typed, and as the query string that keeps them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from urllib.parse import parse_qsl, urlencode

MAX_ROWS = 12
"""Constraint rows that one form holds."""
MAX_LENGTH = 500
"""Characters of one field; longer ones are cut (no field means anything at that length)."""

RADIUS_UNITS = ("deg", "arcmin", "arcsec")
TIME_SCALES = ("utc", "tt")
ENERGY_UNITS = ("eV", "keV", "MeV", "GeV", "TeV")


@dataclass(frozen=True)
class ConstraintRow:
    """One row of "any ObsCore field" as typed."""

    field: str = ""
    op: str = "eq"
    value: str = ""

    def __bool__(self) -> bool:
        return bool(self.field or self.value)


@dataclass(frozen=True)
class FormState:
    """Texts of the form; the attribute names are the names in the URL."""

    target: str = ""
    radius: str = "0.1"
    radius_unit: str = "deg"
    match: str = "region"
    t_from: str = ""
    t_to: str = ""
    t_scale: str = "utc"
    e_from: str = ""
    e_to: str = ""
    e_unit: str = "TeV"
    collection: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    instrument: tuple[str, ...] = ()
    rows: tuple[ConstraintRow, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: list[tuple[str, str]]) -> FormState:
        """The state that (name, value) pairs of a query string or a posted form give; others are ignored."""
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value.strip()[:MAX_LENGTH])
        found: dict[str, object] = {}
        for item in fields(cls):
            if item.name == "rows" or item.name not in values:
                continue
            given = values[item.name]
            if isinstance(item.default, tuple):
                found[item.name] = tuple(dict.fromkeys(value for value in given if value))
            else:
                found[item.name] = given[-1] or item.default
        return cls(**found, rows=_rows(values))  # type: ignore[arg-type]

    @classmethod
    def from_query_string(cls, text: str) -> FormState:
        return cls.from_pairs(parse_qsl(text, keep_blank_values=True))

    @property
    def is_empty(self) -> bool:
        """Nothing is asked for (units, scales and the radius alone ask for nothing)."""
        asked = (self.target, self.t_from, self.t_to, self.e_from, self.e_to)
        return not (any(asked) or self.collection or self.type or self.instrument or any(self.rows))

    def query_string(self) -> str:
        """Only what differs from an empty form, in the form's order."""
        pairs: list[tuple[str, str]] = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "rows":
                for row in value:
                    pairs += [("field", row.field), ("op", row.op), ("value", row.value)]
            elif isinstance(value, tuple):
                pairs += [(item.name, text) for text in value]
            elif value != item.default:
                pairs.append((item.name, value))
        return urlencode(pairs)


def _rows(values: dict[str, list[str]]) -> tuple[ConstraintRow, ...]:
    """Rows from the parallel lists `field`, `op`, `value`; rows with nothing typed are dropped."""
    names, operators, texts = (values.get(name, []) for name in ("field", "op", "value"))
    count = min(max(len(names), len(texts)), MAX_ROWS)
    rows = (
        ConstraintRow(
            names[i] if i < len(names) else "",
            (operators[i] if i < len(operators) else "") or "eq",
            texts[i] if i < len(texts) else "",
        )
        for i in range(count)
    )
    return tuple(row for row in rows if row)
