"""`make bench`: serve a gateway on the benchmark catalogue and measure it with the shared client.

The catalogue (1 million sources, 200 thousand ObsCore rows) and the client are in the shared folder; both
are the ones with which the peers in the table were measured.  VOGATE_BENCH_HOME keeps the published
catalogue between runs (default ./var/bench).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.live import REPOSITORY, Gateway

HOME = Path(os.environ.get("VOGATE_BENCH_HOME", REPOSITORY / "var" / "bench"))
SHARED = Path(os.environ.get("VOGATE_SHARED", REPOSITORY.parent / "shared")) / "bench"
TABLE = "bench.catalogue"


def make_catalogue(folder: Path) -> None:
    if (folder / "upload_10k.vot").exists():
        return
    print("making the catalogue", flush=True)
    subprocess.run([sys.executable, str(SHARED / "make_catalogue.py"), "--out", str(folder)], check=True)


def publish(folder: Path) -> None:
    """Publish the catalogue and its ObsCore table as tables of the gateway."""
    import pyarrow.parquet as pq

    from gateway.vo.columns import Schema, Table
    from obscore import definition
    from tap import archive, publish
    from tap.arrowtypes import column_of

    if {"bench", "ivoa"} <= set(archive.current().files):
        return
    print("publishing", flush=True)
    rows = pq.read_table(folder / "catalogue.parquet")
    columns = tuple(column_of(field.name, field.type) for field in rows.schema)
    table = Table("bench", "catalogue", columns, description="Synthetic sources", position=("ra", "dec"))
    publish.publish_schema(Schema("bench", (table,)), {"catalogue": rows})
    rows = pq.read_table(folder / "obscore.parquet")
    schema = definition.ivoa_schema((), rows.num_rows)
    obscore = schema.tables[0]
    known = {column.name: column for column in obscore.columns}
    columns = tuple(known.get(f.name, column_of(f.name, f.type)) for f in rows.schema)
    obscore = replace(obscore, columns=tuple(replace(c, base_url=False) for c in columns))
    publish.publish_schema(replace(schema, tables=(obscore,)), {"obscore": rows})


def measure(gateway: Gateway, folder: Path, only: str) -> dict[str, Any]:
    assert gateway.process is not None
    command = [
        sys.executable, str(SHARED / "tap_bench.py"), "--url", f"{gateway.url}/tap", "--table", TABLE,
        "--upload", str(folder / "upload_10k.vot"), "--only", only, "--load-seconds", "8",
        "--watch", f"gateway={gateway.process.pid}",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _number(result: dict[str, Any], *path: str) -> float | None:
    value: Any = result
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) else None


# What is measured: label, path in the client's document, unit, DaCHS on the same machine, our target.
ROWS: list[tuple[str, tuple[str, ...], str, str, str]] = [
    ("cone 1 deg, one client, p50", ("load_cone_1.0deg_1_clients", "p50_ms"), "ms", "44", "6"),
    ("cone 1 deg, 8 clients", ("load_cone_1.0deg_8_clients", "requests_per_s"), "/s", "24", "250"),
    ("cone 1 deg, 32 clients", ("load_cone_1.0deg_32_clients", "requests_per_s"), "/s", "22", "250"),
    ("dump BINARY2", ("dump_binary2", "rows_per_s"), "rows/s", "151000", "2000000"),
    ("dump TABLEDATA", ("dump_tabledata", "rows_per_s"), "rows/s", "113000", "1000000"),
    ("dump CSV", ("dump_csv", "rows_per_s"), "rows/s", "144000", "1000000"),
    ("dump FITS", ("dump_fits", "rows_per_s"), "rows/s", "155000", "2000000"),
    ("10k positions x 1M", ("xmatch_10k_contains", "median_ms"), "ms", "947", "95"),
    ("INTERSECTS 1 deg on 200k", ("obscore_intersects_1deg", "median_ms"), "ms", "38", "15"),
    ("INTERSECTS 30 deg on 200k", ("obscore_intersects_30deg", "median_ms"), "ms", "307", "60"),
    ("async: POST to COMPLETED", ("async_single", "post_to_completed_wait_ms"), "ms", "1050", "50"),
    ("50 async jobs", ("async_many", "jobs_per_minute"), "/min", "45", "2000"),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="meta,cone,agg,obscore,upload,async,load,dump")
    parser.add_argument("--json", default="", help="also write the client's document here")
    args = parser.parse_args()
    if not SHARED.is_dir():
        print(f"{SHARED} is not there; set VOGATE_SHARED to the folder that holds bench/", file=sys.stderr)
        return 1
    HOME.mkdir(parents=True, exist_ok=True)
    os.environ["VOGATE_HOME"] = str(HOME)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    make_catalogue(HOME / "catalogue")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    publish(HOME / "catalogue")
    since = time.monotonic()
    with Gateway(HOME).start() as gateway:
        print(f"serving after {time.monotonic() - since:.1f} s", flush=True)
        result = measure(gateway, HOME / "catalogue", args.only)
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{'what':32}{'here':>14} {'unit':8}{'DaCHS 2.7':>12}{'target':>12}")
    for label, path, unit, peer, target in ROWS:
        value = _number(result, *path)
        shown = "-" if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
        print(f"{label:32}{shown:>14} {unit:8}{peer:>12}{target:>12}")
    failed = {
        name: part["error"] for name, part in result.items() if isinstance(part, dict) and part.get("error")
    }
    for name, error in failed.items():
        print(f"{name}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
