"""The OpenAPI document is right, and the API keeps to it whatever it is sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis")
openapi_checks = pytest.importorskip("schemathesis.specs.openapi.checks")

pytestmark = pytest.mark.django_db(transaction=True)

# ADQL, units, limits of tools: a schema cannot say them, so a 400 is no fault.
BEYOND = [openapi_checks.positive_data_acceptance]
METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, str]]:
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    return [(path, method) for path, item in paths.items() for method in METHODS if method in item]


@pytest.fixture
def openapi(transactional_db) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/schema?format=json", get_wsgi_application())


@pytest.mark.parametrize(("path", "method"), operations(), ids=lambda part: part.removeprefix("/api/v1/"))
def test_every_operation_keeps_to_the_schema(openapi, path, method):
    @settings(
        max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def holds(data):
        data.draw(openapi[path][method.upper()].as_strategy()).call_and_validate(excluded_checks=BEYOND)

    holds()


def test_every_operation_has_a_name_of_its_own_and_says_how_it_refuses():
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    found = [paths[path][method] for path, method in operations() if "/schema" not in path[-8:]]
    names = [operation["operationId"] for operation in found]
    assert len(names) == len(set(names)) > 12
    assert all(operation.get("description") for operation in found)
