"""Has a drill cost a job?  What the database, the folders and /proc say afterwards."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.drills.load import Wanted
from tests.drills.stage import Stage, attempts_alive

_DUMP = """
import json, os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway.settings"
django.setup()
from provenance.models import Activity
from uws.models import Job
json.dump([
    {
        "id": job.pk, "phase": job.phase, "final": job.is_final, "error": job.error_message,
        "attempt": job.attempt, "losses": job.losses, "parameters": job.parameters,
        "attempts": [
            {"number": a.number, "open": a.ended_at is None, "outcome": a.outcome} for a in job.attempts.all()
        ],
        "results": [{"path": str(r.path), "sha256": r.sha256} for r in job.results.all()],
        "records": RECORDS,
    }
    for job in Job.objects.prefetch_related("attempts", "results")
], sys.stdout)
"""


_TAKES_ATTEMPTS = ("worker", "Celery", "Celery process", "slurmctld", "slurmd", "PostgreSQL")
"""Whose death may truly cost an attempt: one that was not started yet, or that Slurm ended or forgot."""


@dataclass
class Verdict:
    """What went wrong, by invariant, with the jobs' ids; all empty if nothing did."""

    lost: list[str] = field(default_factory=list)
    """A job that a client had a 303 for is not there, or has neither results nor record."""
    doubled: list[str] = field(default_factory=list)
    """Two attempts were alive at once."""
    stuck: list[str] = field(default_factory=list)
    """Never got to a final phase, or left a process or an open attempt."""
    untrue: list[str] = field(default_factory=list)
    """The phase, message or result is not what happened."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.untrue)


def jobs_of(stage: Stage) -> list[dict[str, Any]]:
    """Every job with its attempts and results, read by a process of its own."""
    records = "[[r.attempt, r.phase] for r in Activity.objects.filter(job=job.pk, final=True)]"
    done = stage.service.run("-c", _DUMP.replace("RECORDS", records))
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def judge(stage: Stage, wanted: list[Wanted], doubled: set[str]) -> tuple[Verdict, list[dict[str, Any]]]:
    """Compare what was asked for with what is there."""
    verdict = Verdict(doubled=sorted(doubled))
    jobs = jobs_of(stage)
    by_id = {job["id"]: job for job in jobs}
    verdict.lost += [w.id for w in wanted if w.id not in by_id]
    elsewhere = sum(stage.kills[name] for name in _TAKES_ATTEMPTS)
    leftover = attempts_alive()
    for job in jobs:
        if not job["final"] or job["id"] in leftover or any(a["open"] for a in job["attempts"]):
            verdict.stuck.append(f"{job['id']} {job['phase']}")
        if _overlaps(stage.service.home / "jobs" / job["id"][:2] / job["id"]):
            verdict.doubled.append(job["id"])
        if len(job["records"]) != 1 or job["records"][0][1] != job["phase"]:
            verdict.lost.append(f"{job['id']} has provenance records {job['records']}")
    for want in wanted:
        if want.id in by_id:
            problem = _untrue(by_id[want.id], want, stage.hit.get(want.id, []), elsewhere)
            if problem:
                verdict.untrue.append(f"{want.id}: {problem}")
    return verdict, jobs


def _untrue(job: dict[str, Any], want: Wanted, hit: list[str], elsewhere: int) -> str:
    """Why the job's end is not the right one."""
    if job["losses"] > hit.count("shepherd") + elsewhere:
        return f"{job['losses']} attempts counted as lost, {hit.count('shepherd')} shepherds were killed"
    if job["phase"] == "ERROR" and "lost 3 times" in job["error"]:
        return ""  # true: as many shepherds were killed
    if job["phase"] == "ERROR" and "tool" in hit:
        return "" if "SIGKILL" in job["error"] or "status 137" in job["error"] else job["error"]
    if job["phase"] not in want.phases:
        return f"{job['phase']} {job['error']!r}, not {want.phases[0]}"
    if want.says not in job["error"]:
        return job["error"]
    if job["phase"] == "COMPLETED":
        (result,) = job["results"]
        content = Path(result["path"]).read_bytes()
        if content.decode() != want.parameters["text"]:
            return f"the result is {content!r}"
        if hashlib.sha256(content).hexdigest() != result["sha256"]:
            return "the result's checksum is wrong"
    return ""


def _overlaps(folder: Path) -> bool:
    """True if an attempt's tool still spoke after a later attempt's had begun."""
    last = 0.0
    for attempt in sorted(folder.glob("attempt-*"), key=lambda p: int(p.name.rpartition("-")[2])):
        ticks = []
        try:
            for line in (attempt / "stdout.log").read_text().splitlines():
                if line.startswith("tick ") and line[-1].isdigit():
                    ticks.append(float(line.split()[1]))
        except OSError:
            continue
        if ticks and ticks[0] < last:
            return True
        last = max([last, *ticks])
    return False
