"""`make bench`: serve a gateway on the benchmark catalogue and measure it with the shared client.

The catalogue (1 million sources, 200 thousand ObsCore rows) and the client are in the shared folder; both
are the ones with which the peers in the table were measured.  VOGATE_BENCH_HOME keeps the published
catalogue between runs (default ./var/bench).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench import compiling
from tests.bench.table import Part, lines
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

    if {"bench", "ivoa"} <= archive.current().stored:
        _copy()
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
    _copy()


def _copy() -> None:
    """Make the tables' copies now; the server would while it is measured."""
    from tap import workers
    from tap.copies import keeper

    keeper.refresh()
    workers.reset()


def measure(gateway: Gateway, folder: Path, only: str, load_seconds: float) -> dict[str, Part]:
    assert gateway.process is not None
    command = [
        sys.executable, "-m", "tests.bench.client", str(SHARED / "tap_bench.py"),
        "--url", f"{gateway.url}/tap", "--table", TABLE,
        "--upload", str(folder / "upload_10k.vot"), "--only", only, "--load-seconds", str(load_seconds),
        "--watch", f"gateway={gateway.process.pid}",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    result: dict[str, Part] = json.loads(done.stdout)["results"]
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="meta,cone,agg,obscore,upload,async,load,dump")
    parser.add_argument("--load-seconds", type=float, default=8)
    parser.add_argument("--json", default="", help="also write the client's documents here, by engine")
    parser.add_argument(
        "--engine", choices=["duckdb", "postgres", "both"], default="duckdb", help="where the archive is"
    )
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
    results = {}
    for engine in ("duckdb", "postgres") if args.engine == "both" else (args.engine,):
        with archive_in(engine) as url:
            results[engine] = measured(url, args)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for engine, result in results.items():
        print(f"\nengine: {engine}", *lines(result), sep="\n")
    return 0


@contextlib.contextmanager
def archive_in(engine: str) -> Iterator[str]:
    """Have this process's archive in an engine; gives PostgreSQL's address, whose data are kept between runs."""
    from django.test import override_settings

    from tests.tap import postgres

    if engine == "duckdb":
        with override_settings(VOGATE_TAP_DATABASE=""):
            yield ""
        return
    with postgres.server(HOME / "postgres", "shared_buffers=512MB") as server:
        url = postgres.database(server, "bench", keep=True)
        with override_settings(VOGATE_TAP_DATABASE=url):
            yield url


def site() -> Path:
    """The demo site, but for the number of jobs that an address may have at once: the client makes 50."""
    folder = HOME / "site"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(REPOSITORY / "deploy" / "sites" / "demo", folder)
    settings = (folder / "site.toml").read_text(encoding="utf-8")
    (folder / "site.toml").write_text(
        settings.replace("active_jobs = 4\n", "active_jobs = 100\n"), encoding="utf-8"
    )
    return folder


def settle(most: float = 30.0) -> None:
    """Wait until the processors have little to do: a gateway that has just come up loads what its tools need."""
    until, idle = time.monotonic() + most, 0
    while idle < 2 and time.monotonic() < until:
        before = _busy()
        time.sleep(0.5)
        idle = idle + 1 if _busy() - before < 0.05 else 0


def _busy() -> float:
    """Seconds that processors have worked for since the machine came up."""
    ticks = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:4]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measured(url: str, args: argparse.Namespace) -> dict[str, Part]:
    """What the client finds; `url` is that of the archive in PostgreSQL."""
    publish(HOME / "catalogue")
    since = time.monotonic()
    with Gateway(HOME, environment={"TAP_DATABASE_URL": url, "SITE": str(site())}).start() as gateway:
        print(f"serving after {time.monotonic() - since:.1f} s", end=", ", flush=True)
        settle()
        print(f"measured after {time.monotonic() - since:.1f} s", flush=True)
        result = measure(gateway, HOME / "catalogue", args.only, args.load_seconds)
    settle()  # the gateway's processes are still ending
    result["compile"] = compiling.measure(TABLE)
    return result


if __name__ == "__main__":
    sys.exit(main())
