"""Nodes and edges for pages, the layered drawing, and the searches of the pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from gateway.vo.caller import ANONYMOUS
from provenance import models, recorder, search
from provenance.lineage import Direction, Node, lineage
from provenance.records import Document, GeneratedRecord, UsedRecord
from provenance.serialise.graph import graph_json, graph_of, layers, lineage_svg

from .builders import JOB, OTHER_JOB, activity, observation, result
from .test_lineage import JOBS, START, Chain

SVG = "{http://www.w3.org/2000/svg}"


def chain_of(number: int) -> Document:
    given, records = observation(1), []
    for n in range(number):
        job = f"j{n}"
        made = result(job)
        records.append(
            activity(
                job, used=(UsedRecord(given, "in"),), generated=(GeneratedRecord(made, "out"),), platform=""
            )
        )
        given = made
    return Document(tuple(records))


def test_effects_stand_right_of_their_causes():
    graph = graph_of(chain_of(400))
    place = layers(graph)
    assert all(place[edge.source] > place[edge.target] for edge in graph.edges)
    assert max(place.values()) == 800
    assert len(graph.nodes) == 801


def test_a_circle_is_drawn_all_the_same():
    one, two = result(JOB), result(OTHER_JOB)
    document = Document(
        (
            activity(JOB, used=(UsedRecord(two, "in"),), generated=(GeneratedRecord(one, "out"),)),
            activity(OTHER_JOB, used=(UsedRecord(one, "in"),), generated=(GeneratedRecord(two, "out"),)),
        )
    )
    etree.fromstring(lineage_svg(document).encode())
    assert set(layers(graph_of(document))) == {node.id for node in graph_of(document).nodes}


def test_the_json_has_every_node_and_edge_once_and_no_edge_into_nothing():
    found = graph_json(graph_of(chain_of(5), agents=True, context=True, starts=["e:j4/flux_points"]))
    ids = [node["id"] for node in found["nodes"]]
    assert len(ids) == len(set(ids)) == 5 + 6 + 1
    assert {edge["source"] for edge in found["edges"]} | {edge["target"] for edge in found["edges"]} <= set(
        ids
    )
    assert found["starts"] == ["e:j4/flux_points"]
    assert {edge["relation"] for edge in found["edges"]} == {"used", "wasGeneratedBy", "wasAssociatedWith"}


def test_boxes_do_not_overlap_and_lie_inside():
    root = etree.fromstring(lineage_svg(chain_of(12)).encode())
    width, height = (float(part) for part in root.get("viewBox").split()[2:])
    boxes = [tuple(float(r.get(a)) for a in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect")]
    for index, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height
        assert all(
            x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y for x2, y2, w2, h2 in boxes[:index]
        )


def test_no_address_of_a_user_becomes_a_script():
    bad = replace(observation(), location="javascript:alert(1)", name="<script>")
    text = lineage_svg(Document((activity(used=(UsedRecord(bad, "in"),)), activity(OTHER_JOB))))
    assert "javascript" not in text
    assert "<script>" not in text


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["hess/1", "/obs/hess/1/", "ivo://vogate.test/hess?1"])
def test_an_observation_is_found_by_all_its_names(settings, text):
    settings.SITE = replace(settings.SITE, authority="vogate.test")
    chain = Chain()
    assert search.find(text, chain.caller(1)) == Node("e", observation(1).id)


@pytest.mark.django_db
def test_everything_made_from_an_observation_is_found_for_who_may_see_it():
    chain = Chain()
    node = search.find(observation(1).id, chain.caller(1))
    found, truncated = search.made_from(node, chain.caller(1))
    assert not truncated
    assert {entity.pk for entity in found} == {f"{JOBS[0]}/secret0", f"{JOBS[1]}/secret1"}
    assert not search.made_from(node, ANONYMOUS)[0].exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tool", "number"), [("spectrum", 1), ("spectrum@1.2", 1), ("spectrum@9", 0), ("other", 0)]
)
def test_every_product_of_a_tool_version_is_found(tool, number):
    chain = Chain()
    assert search.products_of(tool, chain.caller(0)).filter(pk__startswith="a").count() == number
    key = models.ActivityDescription.objects.get().pk
    assert search.products_of(key, chain.caller(0)).filter(pk__startswith="a").count() == 1


@pytest.mark.django_db
def test_what_is_withheld_is_drawn_without_a_name():
    chain = Chain()
    document = lineage([START], chain.caller(2), directions=list(Direction))
    graph = graph_of(document)
    hidden = [node for node in graph.nodes if node.withheld]
    assert len(hidden) == 3
    assert all((node.label, node.href, node.detail, node.role) == ("withheld", "", "", "") for node in hidden)


@pytest.mark.django_db
def test_an_unknown_name_is_said_to_be_unknown():
    from gateway.vo.errors import NotFound

    recorder.record(activity())
    with pytest.raises(NotFound):
        search.find("nothing of the kind", ANONYMOUS)
