"""The dictionary for Aladin without internet."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.portal.aladin import dictionary


def records(text: str) -> dict[str, dict[str, list[str]]]:
    """Values by letter code of each record, by its name."""
    found = {}
    for block in text.split("\n\n"):
        values: dict[str, list[str]] = {}
        for line in block.splitlines():
            code, _, value = line.partition(" ")
            assert code.startswith("%")
            values.setdefault(code, []).append(value)
        found[values["%A"][0]] = values
    return found


@pytest.mark.django_db
def test_the_gateway_serves_it_as_text(client):
    response = client.get("/aladin.dic")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    found = records(response.content.decode())
    assert found["Http"]["%U"] == ["$1"]
    assert found["vogate.pointings"]["%U"][0].startswith("http://testserver/scs/ivoa.obscore?")


def test_a_server_of_images_comes_first_and_asks_for_the_footprints_of_a_circle():
    found = records(dictionary("https://archive.example", "Archive"))
    first = found["vogate.observations"]
    assert list(found)[1] == "vogate.observations"
    assert first["%R"] == ["Mime(sia/xml)"]
    address = first["%U"][0].replace("$1", "83.63").replace("$2", "22.01").replace("$3", "1")
    assert " " not in address
    assert parse_qs(urlsplit(address).query)["QUERY"] == [
        "SELECT * FROM ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 83.63, 22.01, 1))"
    ]


def test_a_title_cannot_break_the_records():
    found = records(dictionary("http://127.0.0.1:8000", "Two\n%U lines\t"))
    assert found["vogate.pointings"]["%D"] == ["Observations of Two %U lines, as a catalogue"]
