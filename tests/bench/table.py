"""The table that `make bench` prints: what the issue asks for, line by line, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]
"""What the shared client says of one measurement."""


@dataclass(frozen=True)
class Row:
    """One line: label, measurement and key in the client's document, unit, DaCHS on the same machine, target."""

    label: str
    part: str
    key: str
    unit: str
    peer: str
    target: str


CONE = "load_cone_1.0deg_{}_clients"
ROWS = (
    Row("compile, known shape", "compile", "known_ms", "ms", "10-20", "0.5"),
    Row("compile, new shape", "compile", "new_ms", "ms", "10-20", "3"),
    Row("cone 1 deg, one client, p50", CONE.format(1), "p50_ms", "ms", "44", "6"),
    Row("cone 1 deg, 8 clients", CONE.format(8), "requests_per_s", "/s", "24", "250"),
    Row("cone 1 deg, 32 clients", CONE.format(32), "requests_per_s", "/s", "22", "250"),
    Row("dump 1M x 11, BINARY2", "dump_binary2", "rows_per_s", "rows/s", "151,000", "2,000,000"),
    Row("dump 1M x 11, TABLEDATA", "dump_tabledata", "rows_per_s", "rows/s", "113,000", "1,000,000"),
    Row("dump 1M x 11, CSV", "dump_csv", "rows_per_s", "rows/s", "144,000", "1,000,000"),
    Row("dump 1M x 11, FITS", "dump_fits", "rows_per_s", "rows/s", "155,000", "2,000,000"),
    Row("10k positions x 1M, CONTAINS", "xmatch_10k_contains", "median_ms", "ms", "947", "95"),
    Row("10k positions x 1M, DISTANCE", "xmatch_10k_distance", "median_ms", "ms", "", "95"),
    Row("COUNT, AVG over 1M", "agg_count_avg", "median_ms", "ms", "75", "8"),
    Row("GROUP BY over 1M", "agg_group_by_mag", "median_ms", "ms", "143", "15"),
    Row("INTERSECTS 1 deg on 200k", "obscore_intersects_1deg", "median_ms", "ms", "38", "15"),
    Row("INTERSECTS 30 deg on 200k", "obscore_intersects_30deg", "median_ms", "ms", "307", "60"),
    Row("async: POST to COMPLETED", "async_single", "post_to_completed_wait_ms", "ms", "1,050", "50"),
    Row("50 async jobs", "async_many", "jobs_per_minute", "/min", "45", "2,000"),
)
COLUMNS = "{:31}{:>12} {:8}{:>8}{:>8}{:>10}{:>8}{:>9}{:>11}{:>11}"


def _shown(value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def _growth(part: Part) -> float | None:
    """How much the served processes grew at most, in MB."""
    tree = part.get("gateway", {})
    if "rss_peak_mb" not in tree:
        return None
    return max(0.0, float(tree["rss_peak_mb"]) - float(tree["rss_before_mb"]))


def lines(result: dict[str, Part]) -> Iterator[str]:
    """The table: the figure, its spread, first byte, CPU of the server per request, its growth, peer and target."""
    yield COLUMNS.format(
        "what", "here", "unit", "p50 ms", "p99 ms", "byte 1 ms", "CPU ms", "+MB", "DaCHS 2.7", "target"
    )
    for row in ROWS:
        part = result.get(row.part, {})
        yield COLUMNS.format(
            row.label,
            _shown(part.get(row.key)),
            row.unit,
            _shown(part.get("p50_ms", part.get("median_ms"))),
            _shown(part.get("p99_ms", part.get("max_ms"))),
            _shown(part.get("ttfb_ms")),
            _shown(part.get("gateway", {}).get("cpu_ms")),
            _shown(_growth(part)),
            row.peer,
            row.target,
        )
    yield "p99 of single queries is the slowest of the runs; +MB is the growth of all processes of the gateway."
    for name, part in result.items():
        if part.get("error"):
            yield f"{name}: {part['error']}"
