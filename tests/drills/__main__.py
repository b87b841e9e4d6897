"""`make drills`: kill -9 at random under load, for each executor; exit status 1 if a job suffered."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import django

import tests.support.home  # noqa: F401  a home of its own, before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from tests.drills.drill import Report, run  # noqa: E402
from tests.tap.postgres import programs  # noqa: E402
from tests.uws.cluster import PROGRAMS, why_not  # noqa: E402

NEEDS = {"local": (), "celery": ("redis-server", "redis-cli"), "slurm": PROGRAMS}
DATABASES = {"local": ("sqlite", "postgres"), "celery": ("postgres",), "slurm": ("sqlite",)}
"""What each is drilled on, unless `--database` says otherwise."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drills", description=__doc__)
    parser.add_argument("--executors", default=",".join(NEEDS))
    parser.add_argument("--database", choices=["sqlite", "postgres"], help="instead of each executor's own")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20, help="kills per executor")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    reports = []
    for executor in args.executors.split(","):
        missing = [name for name in NEEDS[executor] if shutil.which(name) is None]
        reason = f"{', '.join(missing)} is not installed" if missing else ""
        if executor == "slurm":
            reason = why_not()
        if reason:
            print(f"{executor}: left out, {reason}", flush=True)
            continue
        for database in (args.database,) if args.database else DATABASES[executor]:
            if database == "postgres" and programs() is None:
                print(f"{executor} on postgres: left out, PostgreSQL is not installed", flush=True)
                continue
            reports.append(drill(executor, database, args))
    return 0 if all(report.verdict.good for report in reports) else 1


def drill(executor: str, database: str, args: argparse.Namespace) -> Report:
    """One drill; its state is kept if a job suffered."""
    folder = Path(tempfile.mkdtemp(prefix=f"vogate-drill-{executor}-"))
    folder.chmod(0o755)
    report = run(folder, executor, jobs=args.jobs, rounds=args.rounds, seed=args.seed, database=database)
    show(report)
    if report.verdict.good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        (folder / "verdict.txt").write_text(f"{report.verdict}\n{report.kills}\n")
        print(f"The state is kept in {folder}", flush=True)
    return report


def show(report: Report) -> None:
    """The row of one executor, and what went wrong in words."""
    verdict = report.verdict
    kills = ", ".join(f"{name} {count}" for name, count in sorted(report.kills.items()))
    phases = ", ".join(f"{name} {count}" for name, count in sorted(report.phases.items()))
    print(
        f"{report.executor}: {sum(report.phases.values())} jobs in {report.seconds:.0f} s, seed {report.seed}"
    )
    print(f"  killed       {kills}")
    print(f"  ended        {phases}; {report.retries} after more than one attempt")
    for name in ("lost", "doubled", "stuck", "untrue"):
        found = getattr(verdict, name)
        print(f"  {name:<12} {len(found)}{''.join(f'{chr(10)}    {line}' for line in found[:10])}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
