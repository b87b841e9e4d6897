"""The table of a results page, and the view that its URL describes."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from gateway.portal.results_table import PAGE_SIZES, View, build_table, view_from
from gateway.vo.columns import Column
from obscore import definition

COLUMNS = definition.obscore_table().columns


def _row(**values):
    known = {
        "obs_publisher_did": "ivo://x/c?1",
        "obs_collection": "c",
        "obs_id": "1",
        "target_name": "Crab",
        "s_ra": 83.63,
        "s_dec": 22.01,
        "s_region": "CIRCLE ICRS 83.63 22.01 2.5",
        "em_min": 1.239841984e-20,
        "em_max": 4e-18,
        "t_min": 53090.123456,
    } | values
    return tuple(known.get(column.name) for column in COLUMNS)


def test_obscore_results_show_a_sensible_choice() -> None:
    table = build_table(COLUMNS, [_row()], View())
    labels = [header.label for header in table.headers]
    assert labels[:3] == ["Target", "Collection", "Observation"]
    cells = dict(zip(labels, table.rows[0].cells))
    assert cells["Energy"].text == "0.31 – 100 TeV"
    assert "em_min 1.239841984e-20 m" in cells["Energy"].raw
    assert cells["Start"].text == "2004-03-26 02:57"
    assert table.selectable
    assert table.rows[0].did == "ivo://x/c?1"


def test_all_columns_come_on_request_under_their_own_names() -> None:
    table = build_table(COLUMNS, [_row()], View(columns=("*",)))
    assert [header.label for header in table.headers] == [column.name for column in COLUMNS]


def test_chosen_columns_come_in_the_order_chosen_and_unknown_ones_are_ignored() -> None:
    table = build_table(COLUMNS, [_row()], View(columns=("s_dec", "nonsense", "obs_id")))
    assert [header.name for header in table.headers] == ["s_dec", "obs_id"]
    assert [header.unit for header in table.headers] == ["deg", ""]


def test_usual_columns_as_stored_have_stored_names_and_units() -> None:
    headers = {
        one.name: (one.label, one.unit) for one in build_table(COLUMNS, [_row()], View(raw=True)).headers
    }
    assert headers["t_min"] == ("t_min", "d")
    assert headers["em_min"] == ("em_min", "m")
    assert headers["em_max"] == ("em_max", "m")
    assert "target_name" in headers


def test_raw_values_are_as_stored_with_the_stored_unit() -> None:
    table = build_table(COLUMNS, [_row()], View(columns=("t_min", "em_min"), raw=True))
    assert [cell.text for cell in table.rows[0].cells] == ["53090.123456", "1.239841984e-20"]
    assert [header.unit for header in table.headers] == ["d", "m"]


def test_headings_turn_the_order_round_and_go_back_to_the_first_page() -> None:
    view = View(page=3, sort="t_min")
    header = next(h for h in build_table(COLUMNS, [_row()], view).headers if h.name == "t_min")
    assert header.sorted == "ascending"
    again = view_from(parse_qs(header.sort_query[1:]))
    assert (again.page, again.sort, again.descending) == (1, "t_min", True)
    other = next(h for h in build_table(COLUMNS, [_row()], view).headers if h.name == "obs_id")
    assert not view_from(parse_qs(other.sort_query[1:])).descending


def test_footprints_follow_the_rows() -> None:
    table = build_table(COLUMNS, [_row(), _row(s_region=None), _row(s_region=None, s_ra=None)], View())
    assert [(entry["key"], entry["outlines"][0]["shape"]) for entry in table.footprints] == [
        ("0", "circle"),
        ("1", "point"),
    ]


def test_any_query_has_a_table() -> None:
    columns = (Column("n", "long"), Column("ra", "double", unit="deg", ucd="pos.eq.ra;meta.main"))
    table = build_table(columns, [(5, 1.5)], View())
    assert not table.selectable
    assert [cell.text for cell in table.rows[0].cells] == ["5", "1.5"]
    assert table.footprints == ()


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(page=4, size=PAGE_SIZES[-1], sort="obs_id", descending=True, columns=("a", "b"), raw=True),
        View(columns=("*",), all_selected=True),
    ],
)
def test_the_url_says_everything_about_the_view(view: View) -> None:
    assert view_from(parse_qs(view.query()[1:])) == view


def test_nonsense_in_the_url_falls_back() -> None:
    assert view_from({"page": ["-3"], "size": ["7"], "order": ["desc"]}) == View(descending=True)
    assert view_from({"page": ["²"], "size": ["1e9"]}) == View()
