"""The drawing: legible, complete, accessible."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from provenance.records import Document, GeneratedRecord, UsedRecord
from provenance.serialise import svg

from .builders import END, JOB, activity, observation, result

SVG = "{http://www.w3.org/2000/svg}"


def draw(*activities):
    return etree.fromstring(svg(Document(activities=activities)).encode())


def texts(root):
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def rectangles(root):
    return [
        tuple(float(node.get(n)) for n in ("x", "y", "width", "height")) for node in root.iter(f"{SVG}rect")
    ]


@pytest.mark.parametrize("inputs", [0, 1, 12, 30, 200])
def test_boxes_lie_inside_the_picture_and_apart(inputs):
    root = draw(activity(inputs=inputs))
    width, height = (float(part) for part in root.get("viewBox").split()[2:])
    boxes = rectangles(root)
    for index, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height
        for x2, y2, w2, h2 in boxes[:index]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_many_inputs_are_summed_up_and_named_in_the_tooltip():
    root = draw(activity(inputs=30))
    assert "+19 more" in texts(root)
    titles = ["".join(node.itertext()) for node in root.iter(f"{SVG}title")]
    assert any("Run 23529" in title for title in titles)
    assert len(rectangles(root)) == 12 + 1 + 2 + 1 + 1


def test_every_role_keeps_a_box_beside_many_of_another():
    used = [UsedRecord(observation(n), role="events") for n in range(40)]
    used += [UsedRecord(observation(100 + n), role="irf", type="Calibration") for n in range(2)]
    found = texts(draw(activity(used=tuple(used))))
    assert "Run 100" in found
    assert "Run 101" in found
    assert "+31 more" in found


def test_what_is_withdrawn_says_so_and_why():
    wrong = GeneratedRecord(replace(result(), withdrawn="Wrong gain."), role="flux")
    text = svg(Document(activities=(activity(generated=(wrong,)),)))
    assert "withdrawn, text/csv" in text
    assert "withdrawn: Wrong gain." in text
    assert "withdrawn, " not in svg(Document(activities=(activity(),)))


def test_entities_link_to_where_they_are_and_deleted_ones_do_not():
    gone = replace(result(name="old"), invalidatedAtTime=END)
    made = (GeneratedRecord(result(), role="flux"), GeneratedRecord(gone, role="old"))
    links = {node.get("href") for node in draw(activity(inputs=1, generated=made)).iter(f"{SVG}a")}
    assert links == {
        "/data/hess/23500/events.fits",
        f"/uws/spectrum/async/{JOB}/results/flux_points",
        f"/jobs/{JOB}/",
    }


def test_no_link_leads_to_a_script():
    bad = replace(observation(), location="javascript:alert(1)")
    assert "javascript" not in svg(Document(activities=(activity(used=(UsedRecord(bad, role="events"),)),)))


def test_it_says_in_words_what_it_shows():
    root = draw(activity())
    title, description = root[0], root[1]
    assert title.text == "Provenance of Crab, quick look"
    assert "used 2 entities, generated 2" in description.text
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]


def test_a_failure_shows_its_reason_and_lost_attempts():
    lost = activity(final=False, generated=())
    failed = activity(attempt=2, phase="ERROR", comment="The OFF region is empty.", generated=())
    found = texts(draw(lost, failed))
    assert "The OFF region is empty." in found
    assert "attempt 2; lost before: attempt 1" in found


def test_a_long_reason_is_wrapped_not_cut():
    reason = "No OFF region fits: reduce the on radius, or choose runs that point away from the target."
    failed = activity(phase="ERROR", comment=reason, generated=())
    assert reason in " ".join(texts(draw(failed)))


def test_texts_of_users_are_escaped():
    assert 'title = He said "<a> & b"' in texts(draw(activity()))


def test_long_names_are_cut_in_the_middle():
    long = replace(observation(), name="a" * 40 + "_very_long_name_of_run_023523.fits")
    found = texts(draw(activity(used=(UsedRecord(long, role="events"),))))
    (name,) = [text for text in found if text.startswith("aaaa")]
    assert "…" in name
    assert name.endswith("023523.fits")
    assert len(name) < 40
