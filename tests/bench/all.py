"""`make bench`: all tables, or those that are named: `make bench BENCH="jobs provenance"`.

Options of one table follow its name after colons: `BENCH="jobs:--parts=wait,lists:--clients=100"`.
"""

from __future__ import annotations

import subprocess
import sys

TABLES = {
    "tap": ("tests.bench", "queries, beside DaCHS"),
    "jobs": ("tests.bench.jobs", "jobs, beside OPUS"),
    "provenance": ("tests.bench.provenance", "provenance"),
    "provenance-postgres": ("tests.bench.provenance --postgres", "provenance on PostgreSQL"),
    "many": ("tests.bench.many", "many small inputs, beside a shell loop"),
}


def main(names: list[str]) -> int:
    """Print the tables; the exit status is that of the last one that failed."""
    status = 0
    for name in names or list(TABLES):
        table, *options = name.split(":")
        if table not in TABLES:
            print(f"There is no table {table!r}; there are {', '.join(TABLES)}.", file=sys.stderr)
            return 2
        module, title = TABLES[table]
        print(f"\n-- {table}: {title}", flush=True)
        command = [sys.executable, "-m", *module.split(), *options]
        status = subprocess.run(command, check=False).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
