"""Why a search found nothing, probably, and what to try.  Pure."""

from __future__ import annotations

from gateway.portal.form_state import FormState


def reasons(state: FormState, adql: str) -> list[str]:
    """Advice in the order in which it most often helps."""
    found = []
    if state.target:
        found.append(
            f"No field of view touches the circle of {state.radius} {state.radius_unit} around {state.target}: "
            "try a larger radius, or check the position."
            if state.match != "centre"
            else f"No field centre lies within {state.radius} {state.radius_unit} of {state.target}: "
            "try a larger radius, or ask for fields of view that overlap."
        )
    if state.t_from or state.t_to:
        scale = state.t_scale.upper()
        found.append(f"Nothing was observed in that time ({scale}): widen the interval or leave it out.")
    if state.e_from or state.e_to:
        found.append(f"No energy range overlaps: is {state.e_unit} the unit that you mean?")
    if any(state.rows):
        exact = any(row.op == "eq" for row in state.rows if row)
        advice = "text is compared exactly; try “contains”" if exact else "loosen it or leave it out"
        found.append(f"A condition on a field excludes all rows: {advice}.")
    if sum(map(bool, (state.collection, state.type, state.instrument))) > 1:
        found.append("No collection has that product type or instrument: untick one of them.")
    if not found:
        found.append("The conditions of the ADQL exclude all rows; take them out one by one to see which.")
    elif "WHERE" in adql.upper() and len(found) > 1:
        found.append("All conditions have to hold at once; leave one out to see which excludes the rows.")
    return found
