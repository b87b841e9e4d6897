"""Recording, lineage and ProvSAP with 100,000 jobs and a million entities: `python -m tests.bench.provenance`.

On SQLite, and with --postgres on a PostgreSQL server of its own, which is gone (with its data) afterwards.

The jobs are written in bulk: each used 8 observations or earlier results and generated one product and its
log; chains of 250 jobs give lineages of about 1,000 nodes.  Then single jobs are recorded and asked for as
the gateway does it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("BENCH_HOME", "/var/tmp/vogate-bench-provenance"))
CHAIN = 250
"""Jobs in a chain; each adds an activity, a product and two inputs to its lineage."""
BATCH = 5_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def job_id(number: int) -> str:
    """A job's id, from its number."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = letters[digit] + text
    return text


def fill(jobs: int, entities: int) -> None:
    """Write that many jobs and (about) entities in bulk."""
    from django.db import transaction

    from provenance import models

    tool = models.ActivityDescription.objects.create(id="bench@1", name="bench", version="1")
    agent = models.Agent.objects.create(id="user:1", name="bench", type="Person")
    observations = max(entities - 2 * jobs, 1000)
    for begin in range(0, observations, 20 * BATCH):
        models.Entity.objects.bulk_create(
            models.Entity(id=did(number), name=f"Run {number}", rights="public", collection="bench")
            for number in range(begin, min(begin + 20 * BATCH, observations))
        )
    for begin in range(0, jobs, BATCH):
        numbers = range(begin, min(begin + BATCH, jobs))
        with transaction.atomic():
            models.Activity.objects.bulk_create(
                models.Activity(
                    id=job_id(n), job=job_id(n), name=f"bench {n}", activityDescription=tool, phase="COMPLETED",
                    startTime=START + timedelta(seconds=n), endTime=START + timedelta(seconds=n + 1),
                )
                for n in numbers
            )  # fmt: skip
            models.Entity.objects.bulk_create(
                models.Entity(
                    id=f"{job_id(n)}/{name}", name=name, generatedAtTime=START + timedelta(seconds=n + 1)
                )
                for n in numbers
                for name in ("product", "log")
            )
            models.WasGeneratedBy.objects.bulk_create(
                models.WasGeneratedBy(entity_id=f"{job_id(n)}/{name}", activity_id=job_id(n), role=name)
                for n in numbers
                for name in ("product", "log")
            )
            models.Used.objects.bulk_create(
                models.Used(activity_id=job_id(n), entity_id=key, role="in")
                for n in numbers
                for key in inputs(n, observations)
            )
            models.Parameter.objects.bulk_create(
                models.Parameter(activity_id=job_id(n), name=f"p{p}", value=str(p))
                for n in numbers
                for p in range(4)
            )
            models.WasAssociatedWith.objects.bulk_create(
                models.WasAssociatedWith(activity_id=job_id(n), agent=agent, role="Operator") for n in numbers
            )
        print(f"\r{numbers[-1] + 1} jobs", end="", flush=True)
    print()


def did(number: int) -> str:
    return f"ivo://bench/obs?{number}"


def inputs(number: int, observations: int) -> Iterator[str]:
    """The job before it in its chain, and two observations; every tenth chain's first job has 80."""
    if number % CHAIN:
        yield f"{job_id(number - 1)}/product"
    for n in range(2 if number % (10 * CHAIN) else 80):
        yield did((2 * number + n) % observations)


@dataclass(frozen=True)
class Taken:
    """What a call takes; on a busy machine CPU says more than the clock."""

    wall: float
    """Median, in ms."""
    cpu: float
    """Median of this process, in ms."""

    def __sub__(self, other: Taken) -> Taken:
        return Taken(self.wall - other.wall, self.cpu - other.cpu)


def median_ms(call: Callable[[], object], times: int = 9) -> Taken:
    """What a call takes, after a first one."""
    call()
    wall, cpu = [], []
    for _ in range(times):
        begin, began = time.perf_counter(), time.process_time()
        call()
        wall.append(1000 * (time.perf_counter() - begin))
        cpu.append(1000 * (time.process_time() - began))
    return Taken(statistics.median(wall), statistics.median(cpu))


def statements(call: Callable[[], object]) -> int:
    """How many statements a call sends to the database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


def page(client: Any, entity: str) -> None:
    """The page of an entity with its whole lineage back."""
    answer = client.get(f"/provenance/entity/{entity}/?depth=all&direction=back")
    assert answer.status_code == 200, answer.status_code


def measure(jobs: int) -> list[tuple[str, Taken, str]]:
    """(what, what it takes, target in ms)."""
    from django.contrib.auth import get_user_model
    from django.db import transaction
    from django.test import Client

    from gateway.vo.caller import Caller
    from provenance import formats, recorder
    from provenance.lineage import Direction, Node, lineage, reach
    from provenance.serialise import prov_json
    from provenance.serialise.graph import graph_json, graph_of, lineage_svg
    from tests.provenance.builders import activity

    staff = Caller(user_id=1, is_staff=True)
    last = Node("e", f"{job_id(jobs - 1)}/product")
    numbers = iter(range(10_000))

    def one_record() -> None:
        with transaction.atomic():
            recorder.record(activity(f"bench{time.time_ns()}{next(numbers)}"[:60], inputs=3))

    def empty() -> None:
        with transaction.atomic():
            recorder.models.Agent.objects.filter(pk="user:1").update(comment=str(next(numbers)))

    document = lineage([last], staff)
    nodes = len(reach([last], Direction.BACK)[0])
    print(f"lineage of {nodes} nodes; record() in {statements(one_record)} statements with its transaction")
    formats.by_name("json")
    base = median_ms(empty, 30)
    whole = median_ms(one_record, 30)
    client = Client()
    reader = Client()
    reader.force_login(get_user_model().objects.get_or_create(username="reader", is_staff=True)[0])
    public = f"/provsap?ID={did(2 * (jobs - CHAIN))}&DIRECTION=FORWARD&DEPTH=ALL"
    return [
        ("record() in its transaction, above an empty one", whole - base, "5"),
        ("lineage BACK ALL: query in the database", median_ms(lambda: reach([last], Direction.BACK)), "200"),
        ("lineage BACK ALL: records", median_ms(lambda: lineage([last], staff)), "200"),
        ("its PROV-JSON", median_ms(lambda: prov_json(document, "http://x")), ""),
        ("ProvSAP JSON, public FORWARD ALL, withheld", median_ms(lambda: client.get(public)), "500"),
        ("ProvSAP JSON, all of it", median_ms(lambda: prov_json(lineage([last], staff), "http://x")), "500"),
        ("the page of it (as the server writes it)", median_ms(lambda: page(reader, last.id)), "1000"),
        ("graph JSON for the page", median_ms(lambda: graph_json(graph_of(document))), "1000"),
        ("SVG", median_ms(lambda: lineage_svg(document)), "1000"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    args = parser.parse_args()
    if not args.postgres:
        return run(args.jobs, args.entities, HOME / str(args.jobs))
    from tests.tap import postgres

    with postgres.server() as url, tempfile.TemporaryDirectory() as home:
        os.environ["PGHOST"] = url.partition("host=")[2].split()[0]
        os.environ["DATABASE_URL"] = "postgresql://tests@/postgres"
        try:
            return run(args.jobs, args.entities, Path(home))
        finally:
            from django.db import connections

            connections.close_all()


def run(jobs: int, entities: int, home: Path) -> int:
    """Fill the database if it is empty, measure, and print."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ["VOGATE_HOME"] = str(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.db import connection

    from provenance import models

    if models.Activity.objects.count() < jobs:
        begin = time.monotonic()
        fill(jobs, entities)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        print(f"filled in {time.monotonic() - begin:.0f} s")
    print(
        f"{connection.vendor}: {models.Activity.objects.count()} activities, {models.Entity.objects.count()} entities"
    )
    for what, value, target in measure(jobs):
        print(f"{what:52}{value.wall:10.1f} ms {value.cpu:10.1f} ms CPU   target {target or '-'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
