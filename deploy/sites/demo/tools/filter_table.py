"""Rows and columns of a FITS table by a condition and a list of names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from products import write_fits, write_votable
from table_expression import Condition, ConditionError, nearest
from vogate_tool import Job, ToolFailure, listed, progress, write_json

_OF_COLUMN = re.compile(r"(TUCD|TUTYP|TCOMM|TDESC|TLMIN|TLMAX|TDMIN|TDMAX)(\d+)$")
"""Keywords of a column, beside those that astropy's Column knows."""


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    item = job.inputs["table"][0]
    label = item.title or item.id
    progress(0.1, f"Reading {label}")
    try:
        hdus = fits.open(item.path, memmap=False)
    except OSError as error:
        raise ToolFailure(f"{label} is no FITS file ({' '.join(str(error).split())[:120]}).") from None
    with hdus:
        number = table_number(hdus, str(job.get("extension", "")).strip(), label)
        hdu = hdus[number]
        names = wanted_columns(job, hdu)
        progress(0.3, f"Looking at {len(hdu.data)} rows")
        keep = chosen_rows(job, hdu)
        if not keep.any() and not job.get("allow_empty", False):
            raise ToolFailure("No row satisfies the condition.")
        filtered = reduced(hdu, names, keep)
        kept = list(hdus) if job.get("keep_others", True) else [fits.PrimaryHDU(header=hdus[0].header)]
        if job.get("keep_others", True):
            kept[number] = filtered
        else:
            kept.append(filtered)
        progress(0.6, "Writing")
        write_fits("filtered.fits", fits.HDUList([one.copy() for one in kept]), job)
    title = f"{label}, filtered"
    write_votable("filtered.vot", as_table(filtered), job, title=title, ucds=ucds(filtered))
    write_json(
        "filtered.json",
        {
            "kind": "filter-table",
            "title": title,
            "table": hdu.name or str(number),
            "rows_in": len(keep),
            "rows_out": int(keep.sum()),
            "columns": names,
            "condition": job.get("condition", ""),
            "warnings": [],
            **job.record(),
        },
    )
    progress(1.0, "Done")


def table_number(hdus: fits.HDUList, wanted: str, label: str) -> int:
    """Number of the table by name or number, of the first table without either."""
    tables = {n: hdu.name for n, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)}
    tables = {n: name for n, name in tables.items() if not isinstance(hdus[n], fits.CompImageHDU)}
    if not tables:
        raise ToolFailure(f"{label} has no table.")
    if not wanted:
        return next(iter(tables))
    for number, name in tables.items():
        if wanted.upper() == name.upper() or wanted == str(number):
            return number
    known = listed(f"{name or 'without a name'} ({number})" for number, name in tables.items())
    raise ToolFailure(f"{label} has no table {wanted!r}; it has {known}.")


def wanted_columns(job: Job, hdu: fits.BinTableHDU) -> list[str]:
    """The names asked for, as the table writes them; all without any."""
    asked = job.get("columns", [])
    if not asked:
        return list(hdu.columns.names)
    by_name = {name.lower(): name for name in hdu.columns.names}
    unknown = [name for name in asked if name.lower() not in by_name]
    if unknown:
        near = nearest(unknown[0], hdu.columns.names)
        hint = f"did you mean {near[0]}?" if near else f"there are {listed(hdu.columns.names[:30])}."
        raise ToolFailure(f"There is no column {unknown[0]!r}; {hint}")
    return list(dict.fromkeys(by_name[name.lower()] for name in asked))


def chosen_rows(job: Job, hdu: fits.BinTableHDU) -> np.ndarray:
    """True for each row that is kept."""
    rows = len(hdu.data)
    text = str(job.get("condition", "")).strip()
    keep = np.ones(rows, dtype=bool)
    if text:
        try:
            condition = Condition(text, hdu.columns.names)
            keep = condition.keep({name: _masked(hdu, name) for name in condition.names}, rows).copy()
        except ConditionError as error:
            sentence = str(error)
            raise ToolFailure(f"{sentence[0].upper()}{sentence[1:]}.") from None
    limit = job.get("max_rows")
    if limit is not None:
        keep[np.flatnonzero(keep)[limit:]] = False
    return keep


def _masked(hdu: fits.BinTableHDU, name: str) -> Any:
    """A column with its TNULL values masked."""
    data, null = hdu.data[name], hdu.columns[name].null
    if null in (None, "") or np.asarray(data).dtype.kind not in "iu":
        return data
    return np.ma.masked_equal(np.asarray(data), int(null))


def reduced(hdu: fits.BinTableHDU, names: list[str], keep: np.ndarray) -> fits.BinTableHDU:
    """The table with these columns and rows; its other keywords stay, those of columns move with them."""
    data = hdu.data[keep]
    columns = [_column(hdu.columns[name], data[name]) for name in names]
    header = hdu.header.copy(strip=True)
    moved = []
    for card in list(header.cards):
        match = _OF_COLUMN.match(card.keyword)
        if match:
            del header[card.keyword]
            name = hdu.columns.names[int(match[2]) - 1]
            if name in names:
                moved.append((f"{match[1]}{names.index(name) + 1}", card.value, card.comment))
    new = fits.BinTableHDU.from_columns(columns, header=header, name=hdu.name or None, nrows=int(keep.sum()))
    for keyword, value, comment in moved:
        new.header[keyword] = (value, comment)
    return new


def _column(old: fits.Column, values: Any) -> fits.Column:
    known = {"name": old.name, "unit": old.unit, "disp": old.disp, "dim": old.dim}
    scaled = old.bscale not in (None, "", 1) or old.bzero not in (None, "", 0)
    if scaled and np.asarray(values).dtype.kind == "f":
        count = str(old.format).rstrip("BIJKED") or "1"
        return fits.Column(format=f"{count}D", array=values, **known)
    if scaled:
        known["bzero"] = old.bzero
    return fits.Column(format=old.format, null=old.null, array=values, **known)


def as_table(hdu: fits.BinTableHDU) -> Table:
    """What a VOTable can hold: everything but columns of variable length."""
    table = Table()
    for column in hdu.columns:
        if not str(column.format).lstrip("0123456789").startswith(("P", "Q")):
            values = _masked(hdu, column.name)
            # VOTable has no unsigned numbers but bytes.
            wider = {"uint16": np.int32, "uint32": np.int64, "int8": np.int16}.get(str(values.dtype))
            table[column.name] = values.astype(wider) if wider else values
            if column.unit:
                table[column.name].unit = column.unit
    return table


def ucds(hdu: fits.BinTableHDU) -> dict[str, str]:
    names = hdu.columns.names
    return {name: hdu.header[f"TUCD{n}"] for n, name in enumerate(names, 1) if f"TUCD{n}" in hdu.header}
