"""What is reached in which direction, and what of it whom is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.vo.caller import ANONYMOUS, Caller
from provenance import recorder
from provenance.lineage import Direction, Node, lineage, reach
from provenance.records import AgentRecord, EntityRecord, GeneratedRecord, UsedRecord, result_id
from uws.models import Job, Rights

from .builders import activity, observation, result

pytestmark = pytest.mark.django_db

JOBS = ["a" * 26, "b" * 26, "c" * 26]
INGEST = "ingest-1"
RAW = EntityRecord(id="sha256:" + "ab" * 32, name="run1.fits", sha256="ab" * 32, size=9)


class Chain:
    """Ingest -> counts map (ada) -> sources (ben) -> filtered table (cyd)."""

    def __init__(self) -> None:
        users = get_user_model().objects
        self.users = [users.create_user(name) for name in ("ada", "ben", "cyd")]
        recorder.record(
            activity(
                INGEST,
                access="public",
                used=(UsedRecord(RAW, role="file"),),
                generated=(GeneratedRecord(observation(1), role="observation"),),
                agents=(AgentRecord("site", "The site", type="Organization"),),
            )
        )
        given = observation(1)
        for number, (job, user) in enumerate(zip(JOBS, self.users, strict=True)):
            Job.objects.create(
                id=job,
                tool_name="spectrum",
                owner=user,
                rights=Rights.ACCOUNT,
                destruction="2030-01-01T00:00Z",
            )
            made = result(job, f"secret{number}")
            recorder.record(
                activity(
                    job,
                    name=f"private {number}",
                    used=(UsedRecord(given, role="table"),),
                    generated=(GeneratedRecord(made, role="table"),),
                    agents=(AgentRecord(f"user:{user.pk}", user.username),),
                )
            )
            given = made

    def caller(self, number: int) -> Caller:
        user = self.users[number]
        return Caller(user_id=user.pk, username=user.username, method="cookie")


@pytest.fixture
def chain():
    return Chain()


START = Node("e", result_id(JOBS[2], "secret2"))


def shape(document):
    """Nodes and relations without names: (activities, entities, uses, generations)."""
    return (
        len(document.activities),
        len(document.all_entities()),
        sum(len(a.used) + bool(a.platform) for a in document.activities),
        sum(len(a.generated) for a in document.activities),
    )


def test_back_reaches_everything_and_shows_each_user_their_own(chain):
    shown = [lineage([START], chain.caller(2)), lineage([START], Caller(user_id=99, is_staff=True))]
    assert shape(shown[0]) == shape(shown[1]) == (4, 6, 8, 4)
    visible = {a.id for a in shown[0].activities if not a.withheld}
    assert visible == {INGEST, JOBS[2]}
    text = repr(shown[0])
    for secret in ("private 0", "private 1", JOBS[0], "secret0", "'ada'"):
        assert secret not in text
    # cyd was given ben's table, so its name is known to her; who made it and how is not.
    assert f"{JOBS[1]}/secret1" in shown[0].all_entities()
    assert "'ben'" not in text


def test_forward_from_public_data_is_complete_and_leaks_nothing(chain):
    document = lineage([Node("e", observation(1).id)], chain.caller(1), directions=[Direction.FORWARD])
    assert (len(document.activities), len(document.all_entities())) == (3, 4)
    assert {a.id for a in document.activities if not a.withheld} == {JOBS[1]}
    names = {e.id for e in document.all_entities().values() if not e.withheld}
    assert names == {observation(1).id, result_id(JOBS[0], "secret0"), result_id(JOBS[1], "secret1")}
    anonymous = lineage([Node("e", observation(1).id)], ANONYMOUS, directions=[Direction.FORWARD])
    assert shape(anonymous)[:2] == (3, 4)
    assert not any(job in repr(anonymous) for job in JOBS)


def test_deleting_the_job_in_the_middle_leaves_the_lineage_whole(chain):
    before = shape(lineage([START], chain.caller(2)))
    recorder.forget(JOBS[1])
    Job.objects.filter(pk=JOBS[1]).delete()
    after = lineage([START], chain.caller(2))
    assert shape(after) == before
    assert after.all_entities()[result_id(JOBS[1], "secret1")].invalidatedAtTime
    ben = lineage([Node("a", JOBS[1])], chain.caller(1), directions=list(Direction))
    assert {a.id for a in ben.activities if not a.withheld} == {INGEST, JOBS[1]}


@pytest.mark.parametrize(("depth", "reached"), [(0, 1), (1, 2), (2, 4), (3, 5), (4, 6), (None, 10)])
def test_depth_counts_relations(chain, depth, reached):
    assert len(reach([START], Direction.BACK, depth=depth)[0]) == reached


def test_members_are_followed_on_request():
    recorder.record(activity(JOBS[0], used=(UsedRecord(observation(1, members=("ivo://x/part?1",)), "set"),)))
    found = [set(reach([Node("a", JOBS[0])], Direction.BACK, members=on)[0]) for on in (False, True)]
    assert found[1] - found[0] == {Node("e", "ivo://x/part?1")}
    back = reach([Node("e", "ivo://x/part?1")], Direction.FORWARD, members=True)[0]
    assert Node("a", JOBS[0]) in back


def test_derivations_lead_past_activities_that_nobody_recorded():
    cached = GeneratedRecord(result(JOBS[1]), role="table", derivedFrom=("ivo://x/raw?1",))
    recorder.record(activity(JOBS[1], generated=(cached,)))
    document = lineage(
        [Node("e", "ivo://x/raw?1")], Caller(user_id=1, is_staff=True), directions=[Direction.FORWARD]
    )
    assert document.derivations == (() if document.activities else ((result(JOBS[1]).id, "ivo://x/raw?1"),))


def test_a_circle_of_what_users_tell_ends():
    one, two = result(JOBS[0]), result(JOBS[1])
    recorder.record(
        activity(JOBS[0], used=(UsedRecord(two, "in"),), generated=(GeneratedRecord(one, "out"),))
    )
    recorder.record(
        activity(JOBS[1], used=(UsedRecord(one, "in"),), generated=(GeneratedRecord(two, "out"),))
    )
    for depth in (None, 40):
        assert len(reach([Node("e", one.id)], Direction.BACK, depth=depth)[0]) == 5


def test_more_than_the_limit_is_said_to_be_cut(chain):
    found, truncated = reach([START], Direction.BACK, limit=3)
    assert truncated
    assert START in found
    assert not reach([START], Direction.BACK, limit=10)[1]


def test_the_number_of_queries_does_not_grow_with_the_lineage(chain):
    def queries(node):
        with CaptureQueriesContext(connection) as captured:
            lineage([node], chain.caller(2))
        return len(captured)

    given, counts = result(JOBS[2], "secret2"), []
    for letter in "defghijk":
        made = result(letter * 26)
        recorder.record(
            activity(letter * 26, used=(UsedRecord(given, "t"),), generated=(GeneratedRecord(made, "t"),))
        )
        given = made
        counts.append(queries(Node("e", given.id)))
    assert len(set(counts)) == 1
    assert counts[0] <= 32


def test_a_job_that_is_reached_by_its_address_alone_is_shown_to_who_gives_it(chain):
    Job.objects.filter(pk=JOBS[0]).update(owner=None, rights=Rights.CAPABILITY)
    held = lineage([Node("a", JOBS[0])], ANONYMOUS)
    assert JOBS[0] in {a.id for a in held.activities}
    assert JOBS[0] not in repr(
        lineage([Node("e", observation(1).id)], ANONYMOUS, directions=[Direction.FORWARD])
    )


def test_withheld_things_keep_one_pseudonym(chain):
    first, second = lineage([START], chain.caller(2)), lineage([START], chain.caller(2))
    assert first == second
    hidden = replace(first.activities[-1], used=(), generated=())
    assert hidden.id.startswith("withheld:")
    assert (hidden.name, hidden.startTime, hidden.parameters, hidden.agents) == ("", None, (), ())
