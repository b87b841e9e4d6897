"""From the search form as typed to the terms of a search, with every complaint at its own field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.portal.adql_builder import Cone, Constraint, Interval, Match, Operator, SearchTerms
from gateway.portal.constraint_values import ValueProblem, constraint_values
from gateway.portal.form_state import ConstraintRow, FormState
from gateway.portal.presentation import MJD_EPOCH, mjd_text, sexagesimal
from gateway.vo.columns import Column
from gateway.vo.errors import GatewayError
from obscore import quantities
from obscore.quantities import Moment
from obscore.resolver import Position

Resolve = Callable[[str], Position]

LABELS = {
    "target": "Target",
    "radius": "Radius",
    "t_from": "From (time)",
    "t_to": "To (time)",
    "e_from": "From (energy)",
    "e_to": "To (energy)",
}


@dataclass(frozen=True)
class RowView:
    """A constraint row with what the page says about it."""

    field: str = ""
    op: str = Operator.EQUAL.value
    value: str = ""
    error: str = ""
    help: str = ""


@dataclass(frozen=True)
class SaidPosition:
    """A position as the page says it."""

    name: str
    ra: float
    dec: float
    sexagesimal: str
    said_by: str
    note: str = ""


@dataclass
class ParsedSearch:
    """The outcome of reading a form.

    `terms` leaves out what could not be read; it must not be searched while `errors` is not empty.
    """

    terms: SearchTerms = field(default_factory=SearchTerms)
    position: Position | None = None
    errors: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    rows: list[RowView] = field(default_factory=list)

    @property
    def said(self) -> SaidPosition | None:
        """The position and who gave it; None without one."""
        if self.position is None:
            return None
        at = self.position
        said_by = f"position from {at.source}" if at.source and at.name else ""
        return SaidPosition(at.name, at.ra, at.dec, sexagesimal(at.ra, at.dec), said_by, at.note)

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """(id of the field, label, message), in the order of the form."""
        found = [(name, label, self.errors[name]) for name, label in LABELS.items() if name in self.errors]
        for number, row in enumerate(self.rows, 1):
            if row.error:
                found.append((f"value-{number}", row.field or f"Field {number}", row.error))
        return found

    @property
    def error_count(self) -> int:
        return len(self.error_list)


def parse(
    state: FormState, columns: Mapping[str, Column], resolve: Resolve, *, now: datetime | None = None
) -> ParsedSearch:
    """Read a form.

    Parameters
    ----------
    state
        What was typed.
    columns
        The columns of `ivoa.obscore` by name.
    resolve
        Turns a name or coordinates into a position; raises GatewayError with what to do about it.
    now
        The present, for "is in the future".
    """
    parsed = ParsedSearch()
    cone = _cone(state, resolve, parsed)
    time = _time_interval(state, now or datetime.now(UTC), parsed)
    energy = _energy_interval(state, parsed)
    constraints = tuple(
        found for row in state.rows if (found := _constraint(row, columns, parsed)) is not None
    )
    parsed.rows.append(RowView())
    parsed.terms = SearchTerms(
        cone, time, energy, state.collection, state.type, state.instrument, constraints
    )
    return parsed


def position_note(parsed: ParsedSearch) -> str:
    """A line for the results page: the position searched, and who resolved the name; '' without one."""
    at = parsed.said
    if at is None:
        return ""
    name = f"{at.name} at " if at.name else ""
    by = f", {at.said_by}" if at.said_by else ""
    return f"{name}{at.ra:.5f}, {at.dec:+.5f} ({at.sexagesimal}, ICRS{by})"


def _cone(state: FormState, resolve: Resolve, parsed: ParsedSearch) -> Cone | None:
    radius = _radius(state, parsed)
    if not state.target:
        return None
    try:
        parsed.position = resolve(state.target)
    except GatewayError as error:
        parsed.errors["target"] = str(error)
        return None
    if radius is None:
        return None
    match = Match.CENTRE if state.match == Match.CENTRE.value else Match.REGION
    return Cone(parsed.position.ra, parsed.position.dec, radius, match)


def _radius(state: FormState, parsed: ParsedSearch) -> float | None:
    """Degrees; complaints are only made where a target makes the radius matter."""
    if not state.target:
        return None
    try:
        radius = quantities.parse_angle(state.radius, state.radius_unit)
    except GatewayError as error:
        parsed.errors["radius"] = str(error)
        return None
    if not radius > 0:
        parsed.errors["radius"] = (
            "A circle without area contains nothing. To find what covers the position, use a small radius such as 1 arcsec."
        )
        return None
    if radius > 180:
        parsed.errors["radius"] = (
            "The whole sky has a radius of 180 degrees; leave the target empty to search all of it."
        )
        return None
    return radius


def _time_interval(state: FormState, now: datetime, parsed: ParsedSearch) -> Interval:
    """MJD UTC; a date alone stands for its whole day (start of "from", end of "to")."""
    low = _moment("t_from", state.t_from, state.t_scale, parsed)
    high = _moment("t_to", state.t_to, state.t_scale, parsed)
    today = (now.replace(tzinfo=None) - MJD_EPOCH).total_seconds() / 86400
    if low is not None and low.start > today:
        parsed.errors["t_from"] = f"{mjd_text(low.start)} is in the future: nothing has been observed then."
        low = None
    if high is not None and high.end > today + 1 and "t_from" not in parsed.errors:
        parsed.notes["t_to"] = f"{mjd_text(high.end)} is in the future; the search goes up to now."
    if low is not None and high is not None and low.start > high.end:
        parsed.errors["t_to"] = f"This is before the beginning, {mjd_text(low.start)}: the interval is empty."
        return Interval()
    return Interval(low.start if low else None, high.end if high else None)


def _moment(name: str, text: str, scale: str, parsed: ParsedSearch) -> Moment | None:
    if not text:
        return None
    try:
        moment = quantities.parse_moment(text, scale)
    except GatewayError as error:
        parsed.errors[name] = str(error)
        return None
    if moment.note and (name == "t_to" or not moment.note.startswith("the whole")):
        parsed.notes[name] = moment.note
    return moment


def _energy_interval(state: FormState, parsed: ParsedSearch) -> Interval:
    low = _energy("e_from", state.e_from, state.e_unit, parsed)
    high = _energy("e_to", state.e_to, state.e_unit, parsed)
    if low is not None and high is not None and low > high:
        parsed.errors["e_to"] = "The upper energy is below the lower one: the interval is empty."
        return Interval()
    return Interval(low, high)


def _energy(name: str, text: str, unit: str, parsed: ParsedSearch) -> float | None:
    if not text:
        return None
    try:
        return quantities.parse_energy(text, unit)
    except GatewayError as error:
        parsed.errors[name] = str(error)
        return None


def _constraint(row: ConstraintRow, columns: Mapping[str, Column], parsed: ParsedSearch) -> Constraint | None:
    """The row's constraint; its view, with complaint and help, is added to `parsed.rows`."""
    column = columns.get(row.field)
    help_text = column.description if column else ""
    try:
        found = _read_row(row, column)
    except ValueProblem as problem:
        parsed.rows.append(RowView(row.field, row.op, row.value, str(problem), help_text))
        return None
    parsed.rows.append(RowView(row.field, row.op, row.value, "", help_text))
    return found


def _read_row(row: ConstraintRow, column: Column | None) -> Constraint:
    if not row.field:
        raise ValueProblem("Choose the field that this value belongs to.")
    if column is None:
        raise ValueProblem(f"There is no field {row.field}; choose one of the list.")
    try:
        operator = Operator(row.op)
    except ValueError:
        raise ValueProblem(f"There is no comparison {row.op}.") from None
    return Constraint(column.name, operator, constraint_values(column, operator, row.value))
