"""PROV-VOTable: valid, and it loses nothing of the IVOA classes."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest
from astropy.io.votable import parse

from gateway.vo.votable import TAIL
from provenance.serialise.votable import prov_votable, rows_of
from provenance.tables import TABLES

from .test_serialise import BASE, DOCUMENTS, document

__all__ = ["document"]


def plain(value):
    if hasattr(value, "isoformat"):
        from datetime import UTC

        return value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return value if value != "" else None


def test_the_classes_read_back_equal(document):
    tables = {
        table.name: table
        for table in parse(
            io.BytesIO(prov_votable(document, BASE).encode()), verify="exception"
        ).iter_tables()
    }
    expected = rows_of(document, BASE)
    for definition in TABLES:
        wanted = [
            {c.name: plain(row.get(c.name)) for c in definition.columns} for row in expected[definition.name]
        ]
        if not wanted:
            assert definition.cls not in tables
            continue
        table = tables[definition.cls].to_table(use_names_over_ids=True)
        found = [
            {
                c.name: None if row[c.name] is None or str(row[c.name]) in ("--", "") else row[c.name]
                for c in definition.columns
            }
            for row in table
        ]
        assert [{k: None if v is None else str(v) for k, v in row.items()} for row in found] == [
            {k: None if v is None else str(v) for k, v in row.items()} for row in wanted
        ]


def test_relations_point_at_rows_that_are_there():
    rows = rows_of(DOCUMENTS["rich"])
    ids = {
        name: {row["id"] for row in rows[name]}
        for name in ("activity", "entity", "agent", "activitydescription")
    }
    for definition in TABLES:
        for column, table, _ in definition.keys:
            if table not in ids or definition.name in ("wasderivedfrom", "hadmember", "wasinformedby"):
                continue  # these may name what is only known by its identifier
            for row in rows[definition.name]:
                if row.get(column):
                    assert row[column] in ids[table], (definition.name, column)
    assert all(target == "id" for definition in TABLES for _, _, target in definition.keys)


@pytest.mark.stilts
@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
def test_votlint_is_silent(tmp_path, document):
    path = tmp_path / "prov.vot"
    text = prov_votable(document, BASE)
    assert text.endswith(TAIL)
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, timeout=120)
    assert done.stdout + done.stderr == ""
