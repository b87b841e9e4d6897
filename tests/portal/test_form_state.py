"""The form's state and its query string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.form_state import MAX_ROWS, RADIUS_UNITS, ConstraintRow, FormState

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30).map(str.strip)
_STATES = st.builds(
    FormState,
    target=_TEXT,
    radius=_TEXT.map(lambda text: text or "0.1"),
    radius_unit=st.sampled_from(RADIUS_UNITS),
    t_scale=st.sampled_from(["utc", "tt"]),
    e_from=_TEXT,
    collection=st.lists(_TEXT.filter(bool), max_size=3, unique=True).map(tuple),
    rows=st.lists(
        st.builds(ConstraintRow, _TEXT, st.sampled_from(["eq", "lt", "null"]), _TEXT).filter(bool),
        max_size=MAX_ROWS,
    ).map(tuple),
)


@given(_STATES)
def test_the_query_string_keeps_the_state(state: FormState) -> None:
    assert FormState.from_query_string(state.query_string()) == state


def test_an_empty_form_has_an_empty_query_string() -> None:
    assert FormState().query_string() == ""
    assert FormState().is_empty
    assert FormState(radius="2", e_unit="keV").is_empty
    assert not FormState(target="Crab").is_empty


def test_rows_without_anything_typed_are_dropped() -> None:
    state = FormState.from_query_string("field=&op=eq&value=&field=obs_id&op=ne&value=7")
    assert state.rows == (ConstraintRow("obs_id", "ne", "7"),)


def test_names_of_other_things_are_ignored() -> None:
    assert FormState.from_query_string("adql=SELECT&action=run&rows=3") == FormState()
