"""What an operator switches on beyond ADQL 2.1, and what a query is told that uses the rest."""

from __future__ import annotations

import dataclasses

import pytest
from django.test import Client
from lxml import etree

from gateway.vo.errors import QueryError
from tap.adql import extensions, udf
from tap.adql.extensions import Extension
from tests.tap.test_views import error_of, get, rows_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("published")]

USES = {
    Extension.CASE: "SELECT TOP 1 CASE WHEN mag > 3 THEN 1 ELSE 0 END FROM syn.cat",
    Extension.BITWISE: "SELECT TOP 1 n_obs & 3 FROM syn.cat WHERE n_obs IS NOT NULL",
    Extension.HEXADECIMAL: "SELECT TOP 1 0x1F FROM syn.cat",
    Extension.MOC: "SELECT TOP 1 MOC('3/10') FROM syn.cat",
    Extension.VOGATE: "SELECT TOP 1 vogate_healpix_area(3) FROM syn.cat",
    Extension.GAVO: "SELECT TOP 1 gavo_match('x', name) FROM syn.cat",
}


@pytest.fixture
def switch(settings):
    """Sets the extensions that site.toml names."""

    def to(*names: str) -> None:
        query = settings.SITE.query | {"extensions": list(names)}
        settings.SITE = dataclasses.replace(settings.SITE, query=query)

    return to


@pytest.mark.parametrize("extension", USES)
def test_each_is_refused_unless_switched_on(client: Client, switch, extension: Extension) -> None:
    switch(*(item.value for item in Extension if item is not extension))
    response = get(client, USES[extension])
    assert response.status_code == 400
    message = error_of(response)
    assert "Line 1, column" in message
    assert "operators have not switched on" in message
    switch(extension.value.lower())
    assert len(rows_of(get(client, USES[extension], RESPONSEFORMAT="csv"))) == 1


def test_without_a_word_in_site_toml_they_are_off(client: Client, settings) -> None:
    query = {name: value for name, value in settings.SITE.query.items() if name != "extensions"}
    settings.SITE = dataclasses.replace(settings.SITE, query=query)
    assert {get(client, text).status_code for text in USES.values()} == {400}
    document = client.get("/tap/capabilities").content.decode()
    assert "/adql#coalesce" in document
    assert not any(f"/adql#{item.value.lower()}" in document for item in Extension)
    assert "vogate_" not in document
    assert "ivo_histogram(" in document


def test_capabilities_declare_what_is_on(client: Client, switch) -> None:
    switch("MOC", "GAVO")
    tree = etree.fromstring(client.get("/tap/capabilities").content)
    standards = {item.get("standardID", "") for item in tree.findall("capability")}
    assert {"moc", "gavo", "coalesce"} == {item.rpartition("#")[2] for item in standards if "/adql#" in item}
    forms = {item.text for item in tree.iter("form")}
    assert "MOC(moc TEXT) -> MOC" in forms
    assert any(form.startswith("gavo_match(") for form in forms)
    assert not any(form.startswith("vogate_") for form in forms)


def test_what_is_off_is_not_suggested(client: Client, switch) -> None:
    switch("CASE")
    message = error_of(get(client, "SELECT vogate_healpix_are(3) FROM syn.cat"))
    assert "vogate_healpix_area" not in message


def test_every_function_belongs_to_the_standard_or_an_extension() -> None:
    for name in udf.NAMES:
        assert (extensions.of_function(name) is None) == name.startswith("ivo_")


def test_names_that_are_none() -> None:
    assert extensions.named(["All"]) == extensions.ALL_EXTENSIONS
    with pytest.raises(ValueError, match="there are CASE, BITWISE"):
        extensions.named(["LIMIT"])


def test_errors_keep_their_place(switch) -> None:
    from tap.adql import compile_query

    with pytest.raises(QueryError) as failure:
        compile_query("SELECT 1,\n  0x1F FROM a", (), extensions=frozenset())
    assert (failure.value.line, failure.value.column) == (2, 3)
