"""Which steps between phases are legal."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.support.shared import shared_folder
from uws.phases import ACTIVE, FINAL, WAITABLE, Phase, may_follow, sources


def test_phases_are_those_of_the_schema():
    schema = etree.parse(str(shared_folder("conformance/uws/UWS.xsd")))
    found = schema.xpath(
        "//xs:simpleType[@name='ExecutionPhase']//xs:enumeration/@value",
        namespaces={"xs": "http://www.w3.org/2001/XMLSchema"},
    )
    assert {phase.value for phase in Phase} == set(found)


def test_an_ended_job_can_only_be_archived():
    for phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED):
        assert {new for new in Phase if may_follow(new, phase)} == {Phase.ARCHIVED}
    assert not any(may_follow(new, Phase.ARCHIVED) for new in Phase)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in FINAL])
def test_every_other_phase_can_be_aborted(phase):
    assert may_follow(Phase.ABORTED, phase) is (phase in sources(Phase.ABORTED)) is True


def test_a_job_runs_only_from_the_queue_or_from_suspension():
    assert sources(Phase.EXECUTING) == {Phase.QUEUED, Phase.SUSPENDED, Phase.UNKNOWN}
    assert Phase.PENDING not in ACTIVE
    assert {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING} == WAITABLE
