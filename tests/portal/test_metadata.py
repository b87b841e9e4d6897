"""The metadata of an observation in groups."""

from __future__ import annotations

from gateway.portal.metadata import groups, headline
from obscore import definition

COLUMNS = definition.obscore_table().columns
ROW = {
    "obs_id": "1",
    "t_min": 53090.5,
    "t_max": 53090.51,
    "t_exptime": 800.0,
    "s_ra": 83.63,
    "s_dec": 22.01,
    "em_min": 1.239841984e-20,
    "em_max": 4e-18,
}


def test_every_column_is_somewhere_with_its_unit_and_meaning() -> None:
    found = groups(COLUMNS, ROW)
    named = {entry.name for group in found for entry in group.entries}
    empty = {name for group in found for name in group.empty}
    assert named == set(ROW)
    assert named | empty == {column.name for column in COLUMNS}
    time = next(group for group in found if group.title == "Time")
    start = next(entry for entry in time.entries if entry.name == "t_min")
    assert (start.text, start.unit, start.readable) == ("53090.5", "d", "2004-03-26 12:00:00 UTC")
    assert start.help


def test_the_wavelengths_are_said_as_energies() -> None:
    energy = next(group for group in groups(COLUMNS, ROW) if group.title == "Energy")
    readable = {entry.name: entry.readable for entry in energy.entries}
    assert readable == {"em_min": "100 TeV", "em_max": "310 GeV"}


def test_the_headline_sums_up() -> None:
    found = dict(headline(ROW))
    assert found["Observed"] == "2004-03-26 12:00 to 12:14 UTC"
    assert found["Energy"] == "0.31 – 100 TeV"
    assert found["Exposure"] == "13.3 min"
