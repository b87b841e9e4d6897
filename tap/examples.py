"""The examples document (DALI 1.1, section 2.3; TAP 1.1, section 2.4.4): queries that can be run here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote as urlquote

from django.conf import settings
from django.templatetags.static import static

from gateway.vo.columns import Schema, Table
from gateway.vo.votable import escape, quote, xml_id
from tap.names import qualified, quoted


@dataclass(frozen=True)
class Example:
    """One query; `table` is the main table it reads."""

    name: str
    query: str
    description: str = ""
    table: str = ""


OBSCORE = (
    Example(
        "Observations of a position",
        "SELECT obs_id, target_name, s_ra, s_dec, t_min, t_exptime, access_url\n"
        "FROM ivoa.obscore\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', 83.633, 22.014), s_region)\n"
        "ORDER BY t_min",
        "All products whose field covers a position, here that of the Crab nebula (degrees, ICRS).",
        "ivoa.obscore",
    ),
    Example(
        "Event lists in a circle",
        "SELECT obs_publisher_did, target_name, s_ra, s_dec, t_exptime\n"
        "FROM ivoa.obscore\n"
        "WHERE dataproduct_type = 'event'\n"
        "  AND 1 = INTERSECTS(s_region, CIRCLE('ICRS', 329.717, -30.226, 0.5))",
        "Products of one type that touch a circle of half a degree.",
        "ivoa.obscore",
    ),
    Example(
        "Observing time by target",
        "SELECT obs_collection, target_name, COUNT(*) AS n_obs, SUM(t_exptime) / 3600 AS hours\n"
        "FROM ivoa.obscore\n"
        "GROUP BY obs_collection, target_name\n"
        "ORDER BY hours DESC",
        "How often and how long each target was observed.",
        "ivoa.obscore",
    ),
)
SCHEMA = (
    Example(
        "Columns of a kind",
        "SELECT table_name, column_name, unit, description\n"
        "FROM tap_schema.columns\n"
        "WHERE ucd LIKE 'pos.eq.%'",
        "All columns of the service that hold equatorial positions.",
        "tap_schema.columns",
    ),
)


def _cone(table: Table) -> Example:
    ra, dec = (quoted(name) for name in table.position or ("", ""))
    name = qualified(table.schema, table.name)
    return Example(
        f"Cone search in {name}",
        f"SELECT TOP 100 *\nFROM {name}\n"
        f"WHERE 1 = CONTAINS(POINT('ICRS', {ra}, {dec}), CIRCLE('ICRS', 83.633, 22.014, 1))",
        f"At most 100 rows of {name} within one degree of a position.",
        name,
    )


def _of_site() -> list[Example]:
    """`[[query.examples]]` of site.toml."""
    found = settings.SITE.query.get("examples", [])
    return [
        Example(
            str(item["name"]),
            str(item["query"]),
            str(item.get("description", "")),
            str(item.get("table", "")),
        )
        for item in found
    ]


def examples(schemas: Iterable[Schema]) -> list[Example]:
    """The site's examples, then those that fit the published tables."""
    tables = [table for schema in schemas for table in schema.tables]
    found = _of_site()
    if any(table.qualified_name.lower() == "ivoa.obscore" for table in tables):
        found.extend(OBSCORE)
    found.extend(
        _cone(table) for table in tables if table.position and table.qualified_name.lower() != "ivoa.obscore"
    )
    return [*found, *SCHEMA]


def document(found: Iterable[Example], title: str) -> str:
    """XHTML with RDFa Lite in the vocabulary of DALI examples."""
    parts = []
    for number, example in enumerate(found, start=1):
        identifier = f"{xml_id(example.name)}_{number}"
        table = (
            f'<p class="small">Table: <span property="table">{escape(example.table)}</span></p>\n'
            if example.table
            else ""
        )
        parts.append(
            f'<div class="mb-4" id={quote(identifier)} resource={quote("#" + identifier)} typeof="example">\n'
            f'<h2 property="name">{escape(example.name)}</h2>\n'
            f"<p>{escape(example.description)}</p>\n{table}"
            f'<pre class="vg-code" tabindex="0" property="query">{escape(example.query)}</pre>\n'
            f"<p><a href={quote(f'./?QUERY={urlquote(example.query)}#query')}>Use this query</a></p>\n</div>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f'<link rel="icon" href={quote(static("icon.svg"))} type="image/svg+xml"/>\n'
        f'<link rel="stylesheet" href={quote(static("build/site.css"))}/>\n'
        f"<title>{escape(title)}: example queries</title>\n</head>\n"
        '<body vocab="http://www.ivoa.net/rdf/examples#">\n<main class="container-xxl py-4">\n'
        f'<p><a href="./">TAP service of {escape(title)}</a></p>\n'
        f"<h1>Example queries</h1>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )
