"""How long ADQL takes to compile, by CPU time: queries of a known shape, and new ones."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

RUNS = 200


def measure(table: str) -> dict[str, Any]:
    """Median milliseconds of a cone whose shape is known, and of queries that were never seen."""
    from tap import adql, archive, stores
    from tap.copies import keeper

    manifest = archive.ready()
    copies = keeper.known(manifest)
    schemas, emitter = manifest.schemas, stores.current().emitter(manifest)
    numbers = random.Random(1)

    def one(query: str) -> float:
        begun = time.process_time()
        adql.compile_query(query, schemas, maxrec=20_000, emitter=emitter, copies=copies)
        return 1000 * (time.process_time() - begun)

    def cone(alias: str) -> str:
        ra, dec = numbers.uniform(0, 360), numbers.uniform(-90, 90)
        return (
            f"SELECT {alias}.* FROM {table} AS {alias} WHERE 1=CONTAINS("
            f"POINT('ICRS',{alias}.ra,{alias}.dec),CIRCLE('ICRS',{ra:.5f},{dec:.5f},1.0))"
        )

    one(cone("c"))
    known = [one(cone("c")) for _ in range(RUNS)]
    new = [one(cone(f"c{number}")) for number in range(RUNS)]
    return {"known_ms": round(statistics.median(known), 3), "new_ms": round(statistics.median(new), 3)}
