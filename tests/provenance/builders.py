"""Activities as a gateway records them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from provenance.records import (
    ActivityRecord,
    AgentRecord,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    UsedRecord,
    result_id,
)

START = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
END = START + timedelta(seconds=9.5)
JOB = "abcdefghijklmnopqrstuvwxyz"
OTHER_JOB = "zyxwvutsrqponmlkjihgfedcba"

OPERATOR = AgentRecord(id="user:7", name="Vera", email="vera@example.org", affiliation="DTM")
OBSERVATORY = AgentRecord(id="https://example.org/hess", name="H.E.S.S.", role="Creator", type="Organization")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def observation(number: int = 23523, **changes: object) -> EntityRecord:
    """An event list of the archive."""
    entity = EntityRecord(
        id=f"ivo://vogate.test/hess?{number}",
        name=f"Run {number}",
        location=f"/data/hess/{number}/events.fits",
        contentType="application/fits",
        sha256=sha256(f"events {number}"),
        size=1_234_567,
        rights="public",
        collection="hess",
        agents=(OBSERVATORY,),
    )
    return replace(entity, **changes)  # type: ignore[arg-type]


def result(job: str = JOB, name: str = "flux_points", text: str = "") -> EntityRecord:
    return EntityRecord(
        id=result_id(job, name),
        name=f"{name}.ecsv",
        location=f"/uws/spectrum/async/{job}/results/{name}",
        generatedAtTime=END,
        contentType="text/csv",
        sha256=sha256(text or f"{job} {name}"),
        size=2048,
    )


def activity(job: str = JOB, *, inputs: int = 2, **changes: object) -> ActivityRecord:
    """A spectrum made of some observations."""
    record = ActivityRecord(
        id=job,
        description=DescriptionRecord(
            name="spectrum",
            version="1.2",
            description="Reflected regions & forward folding",
            docurl="https://docs.gammapy.org/",
            digest=sha256("tool"),
        ),
        name="Crab, quick look",
        startTime=START,
        endTime=END,
        parameters=(
            ParameterRecord("energy_min", "0.5", datatype="double", unit="TeV", ucd="em.energy", min="0.01"),
            ParameterRecord("model", "pl", arraysize="*", options=("pl", "lp"), default="pl"),
            ParameterRecord("title", 'He said "<a> & b"', arraysize="*"),
        ),
        used=tuple(
            UsedRecord(observation(23500 + n), role="events", time=START, multiplicity="1..*")
            for n in range(inputs)
        ),
        generated=(
            GeneratedRecord(result(job), role="flux_points", description="Flux points"),
            GeneratedRecord(result(job, "log"), role="log", type="Log"),
        ),
        agents=(OPERATOR,),
        exitCode=0,
        platform="linux x86_64, gammapy 2.1",
        runId="night 1",
        location=f"/jobs/{job}/",
    )
    return replace(record, **changes)  # type: ignore[arg-type]
