"""Options of `vogate publish`, `unpublish` and `tables`."""

from __future__ import annotations

import argparse


def add_publish(parser: argparse.ArgumentParser) -> None:
    """`vogate publish FILE... --schema s [--table t]`."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="FITS, VOTable, Parquet, CSV or ECSV; each becomes a table"
    )
    parser.add_argument("--schema", required=True, help="schema to publish into; its other tables stay")
    parser.add_argument("--table", default="", help="name of the table; several files become this one table")
    parser.add_argument(
        "--metadata", default="", help="YAML with metadata (default: FILE.yaml beside the file)"
    )
    parser.add_argument("--description", default="", help="description of the schema")
    parser.add_argument(
        "--memory", default="1GB", help="memory for sorting (default 1GB); the rest is on disk"
    )
    parser.add_argument(
        "--describe", action="store_true", help="publish nothing: print the YAML, to be completed"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def add_unpublish(parser: argparse.ArgumentParser) -> None:
    """`vogate unpublish schema[.table]`."""
    parser.add_argument("name", help="schema.table, or a schema with all of its tables")


def add_tables(parser: argparse.ArgumentParser) -> None:
    """`vogate tables`."""
    parser.add_argument("--json", action="store_true", help="as JSON")
