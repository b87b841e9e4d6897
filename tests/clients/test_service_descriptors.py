"""Tools called from a row of a search result, by their DataLink service descriptors."""

from __future__ import annotations

import io

import pytest
import pyvo
from astropy.io import fits
from pyvo.dal.adhoc import DatalinkQuery

from tests.support.live import Gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


@pytest.fixture(scope="module")
def links(live_gateway: Gateway):
    service = pyvo.dal.TAPService(f"{live_gateway.url}/tap")
    query = "SELECT TOP 1 * FROM ivoa.obscore WHERE dataproduct_type = 'event' ORDER BY obs_id DESC"
    return next(service.search(query).iter_datalinks())


def call(links, tool: str, **parameters) -> bytes:
    """What pyvo makes of the descriptor, with the row's identifier in it."""
    descriptor = links.get_adhocservice_by_id(f"tool_{tool}")
    row = next(link for link in links if link.service_def == f"tool_{tool}")
    return DatalinkQuery.from_resource([row], descriptor, **parameters).execute_stream().read()


def test_a_table_filter_is_called_from_a_datalink_row(links):
    content = call(
        links, "filter_table", condition="ENERGY > 1", columns="EVENT_ID,ENERGY", extension="EVENTS"
    )
    with fits.open(io.BytesIO(content)) as hdus:
        events = hdus["EVENTS"].data
    assert events.columns.names == ["EVENT_ID", "ENERGY"]
    assert events["ENERGY"].min() > 1


def test_a_light_curve_is_called_from_a_datalink_row(links):
    import json

    pytest.importorskip("gammapy")
    result = json.loads(call(links, "light_curve", energy_min=1.0, exclusion_radius=0.2))
    assert result["kind"] == "lightcurve"
    assert len(result["points"]) == 1
    assert result["energy_range_TeV"][0] == 1.0


def test_records_call_tools_by_themselves(links):
    row = next(link for link in links if link.service_def == "tool_event_summary")
    assert b'"event-summary"' in row.process(bins_per_decade=2).read()
