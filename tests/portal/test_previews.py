"""Previews of result files: what is read, up to where, and what is refused."""

import gzip
import json

import pytest

from gateway.portal.previews import JSON_BYTES, TEXT_BYTES, kind_of, read
from tests.portal.job_builders import counts_map, event_table, votable


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, content: bytes):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


def test_a_fits_table_shows_its_first_rows_with_units(write):
    (grid,) = read(write("e.fits", event_table(rows=40)), "table").grids
    assert (grid.title, grid.total, grid.names, grid.units) == (
        "EVENTS",
        40,
        ("EVENT_ID", "ENERGY"),
        ("", "TeV"),
    )
    assert grid.rows[0] == ("0", "0.5")
    assert len(grid.rows) < 40


def test_a_compressed_fits_table_is_read_too(write):
    (grid,) = read(write("e.fits.gz", gzip.compress(event_table(rows=3))), "table").grids
    assert grid.total == 3


def test_a_votable_shows_missing_values_as_dashes(write):
    (grid,) = read(write("t.vot", votable()), "table", "application/x-votable+xml").grids
    assert grid.rows == (("1", "4e-11", "a"), ("2", "–", "b"))


def test_a_votable_whose_data_are_elsewhere_is_not_fetched(write):
    text = (
        b'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        b'<FIELD name="a" datatype="int"/><DATA><BINARY2><STREAM href="http://127.0.0.1:1/x"/></BINARY2></DATA>'
        b"</TABLE></RESOURCE></VOTABLE>"
    )
    assert "elsewhere" in read(write("t.vot", text), "table").text


def test_an_image_gives_its_centre_and_field(write):
    facts = read(write("m.fits", counts_map(60)), "fits-image").facts
    assert float(facts["ra"]) == pytest.approx(83.633, abs=1e-3)
    assert float(facts["dec"]) == pytest.approx(22.014, abs=1e-3)
    assert float(facts["fov"]) == pytest.approx(5.25, rel=1e-3)


def test_a_long_text_is_cut_and_says_so(write):
    preview = read(write("l.txt", b"x" * (TEXT_BYTES + 10)), "text")
    assert preview.truncated
    assert len(preview.text) == TEXT_BYTES


def test_not_a_number_in_json_is_null_for_the_browser(write):
    assert read(write("s.json", b'{"a": NaN}'), "spectrum").data == {"a": None}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("big.json", json.dumps("x" * JSON_BYTES).encode(), "json"),
        ("broken.json", b"{", "json"),
        ("broken.fits", b"SIMPLE  = nonsense", "table"),
        ("binary.txt", b"a\0b", "text"),
        ("image.fits", event_table(), "fits-image"),
    ],
)
def test_what_cannot_be_shown_says_so(write, name, content, kind):
    preview = read(write(name, content), kind)
    assert preview.kind == "problem"
    assert preview.text


def test_a_file_that_is_gone_says_so(tmp_path):
    assert read(tmp_path / "none", "text").text == "The file is no longer there."


@pytest.mark.parametrize(
    ("declared", "media_type", "name", "kind"),
    [
        ("spectrum", "application/json", "s.json", "spectrum"),
        ("", "image/png", "a.png", "image"),
        ("none", "application/x-votable+xml;serialization=binary2", "a.xml", "table"),
        ("", "text/plain; charset=utf-8", "a.txt", "text"),
        ("", "application/octet-stream", "a.bin", "none"),
    ],
)
def test_the_kind_of_preview(declared, media_type, name, kind):
    assert kind_of(declared, media_type, name) == kind
