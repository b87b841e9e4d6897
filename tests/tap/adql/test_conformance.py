"""The IVOA's ADQL validation suite: what the grammar accepts and what it refuses."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from gateway.vo.errors import QueryError
from tap.adql import udf
from tap.adql.extensions import ALL_EXTENSIONS
from tap.adql.parser import parse
from tests.support.shared import shared_folder


def declared(element):
    """Names of the functions that a file or a query declares."""
    forms = element.findall("functions/function/form")
    return {form.text.split("(")[0].strip().lower() for form in forms}


def queries():
    found = []
    for path in sorted(shared_folder("conformance/adql").glob("*.xml")):
        root = ElementTree.parse(path).getroot()
        for query in root.iter("query"):
            adql = query.find("adql")
            names = udf.NAMES | declared(root) | declared(query)
            found.append((path.name, adql.text, adql.get("valid") == "true", frozenset(names)))
    return found


@pytest.mark.parametrize("extensions", [frozenset(), ALL_EXTENSIONS], ids=["strict", "extended"])
def test_suite_is_decided_as_it_says(extensions):
    wrong = []
    counts = {True: 0, False: 0}
    for name, text, legal, functions in queries():
        try:
            parse(text, extensions, functions)
            accepted = True
        except QueryError as error:
            accepted = error.line < 1  # a refusal says where
        counts[legal] += 1
        if accepted is not legal:
            wrong.append((name, " ".join(text.split())))
    assert wrong == []
    assert counts == {True: 172, False: 24}
