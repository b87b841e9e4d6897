"""The table of a results page: which columns, under which names, with which cells.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway.portal.presentation import Cell, cell, is_missing, spectral_cell
from gateway.portal.regions import Footprint, parse_region
from gateway.vo.columns import Column

PAGE_SIZES = (10, 25, 50, 100, 250)
DEFAULT_SIZE = 25

DID = "obs_publisher_did"

# Name of the column, heading, what the heading says about units.
_OBSCORE_DEFAULT = (
    ("target_name", "Target", ""),
    ("obs_collection", "Collection", ""),
    ("obs_id", "Observation", ""),
    ("t_min", "Start", "UTC"),
    ("t_exptime", "Exposure", ""),
    ("em_min", "Energy", ""),
    ("s_ra", "RA", "deg"),
    ("s_dec", "Dec", "deg"),
    ("data_rights", "Rights", ""),
)
_UNITS_IN_CELLS = {"t_exptime", "em_min", "em_max", "access_estsize", "t_resolution"}
_DATES = {"t_min", "t_max"}


@dataclass(frozen=True)
class View:
    """How a result is looked at: everything about the page that its URL says."""

    page: int = 1
    size: int = DEFAULT_SIZE
    sort: str = ""
    descending: bool = False
    columns: tuple[str, ...] = ()
    """Names of the columns to show; () the default choice, ('*',) all."""
    raw: bool = False
    all_selected: bool = False

    def query(self, **changes: Any) -> str:
        """`?page=2&...` of this view with changes; '' becomes '?' so that it still is a link to the page."""
        values = {name: changes.get(name, getattr(self, name)) for name in self.__dataclass_fields__}
        pairs: list[tuple[str, str]] = []
        if values["page"] != 1:
            pairs.append(("page", str(values["page"])))
        if values["size"] != DEFAULT_SIZE:
            pairs.append(("size", str(values["size"])))
        if values["sort"]:
            pairs.append(("sort", values["sort"]))
            if values["descending"]:
                pairs.append(("order", "desc"))
        pairs += [("col", name) for name in values["columns"]]
        if values["raw"]:
            pairs.append(("values", "raw"))
        if values["all_selected"]:
            pairs.append(("select", "all"))
        return "?" + urlencode(pairs)

    def hidden(self, **changes: Any) -> list[tuple[str, str]]:
        """The view, with changes, as hidden fields of a form."""
        return parse_qsl(self.query(**changes)[1:])


def view_from(parameters: Mapping[str, Sequence[str]]) -> View:
    """The view that a query string asks for; nonsense falls back to the defaults."""

    def one(name: str) -> str:
        return (parameters.get(name) or [""])[-1]

    def number(name: str, default: int) -> int:
        text = one(name)
        return int(text) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else default

    size = number("size", DEFAULT_SIZE)
    return View(
        page=min(number("page", 1), 10_000_000),
        size=size if size in PAGE_SIZES else DEFAULT_SIZE,
        sort=one("sort")[:128],
        descending=one("order") == "desc",
        columns=tuple(name[:128] for name in (parameters.get("col") or ())[:200]),
        raw=one("values") == "raw",
        all_selected=one("select") == "all",
    )


@dataclass(frozen=True)
class Header:
    """One column heading."""

    name: str
    label: str
    unit: str = ""
    help: str = ""
    numeric: bool = False
    sorted: str = ""
    """ARIA's aria-sort: ascending, descending or ''."""
    sort_query: str = ""


@dataclass(frozen=True)
class TableRow:
    """One row as the page shows it."""

    key: str
    cells: tuple[Cell, ...]
    did: str = ""
    collection: str = ""
    obs_id: str = ""
    access_url: str = ""
    title: str = ""
    product_url: str = ""
    """Path of the product's file, where this archive serves it."""
    mtype: str = ""
    """SAMP message that loads the product."""


@dataclass(frozen=True)
class TableView:
    headers: tuple[Header, ...]
    rows: tuple[TableRow, ...]
    footprints: tuple[dict[str, Any], ...] = ()
    selectable: bool = False
    """Rows are data products: they have a publisher DID."""
    all_names: tuple[str, ...] = field(default=())


def is_obscore(columns: Sequence[Column]) -> bool:
    """The result names data products, so that its rows can be selected and analysed."""
    return any(column.name.lower() == DID for column in columns)


def chosen_columns(columns: Sequence[Column], view: View) -> list[tuple[int, str, str]]:
    """(index, label, unit) of the columns to show, in order."""
    by_name = {column.name.lower(): index for index, column in reversed(list(enumerate(columns)))}
    if view.columns and view.columns != ("*",):
        wanted = [by_name[name.lower()] for name in view.columns if name.lower() in by_name]
        if wanted:
            return [(index, columns[index].name, _unit(columns[index], view)) for index in wanted]
    if view.columns != ("*",) and is_obscore(columns):
        found = [(by_name[name], label, unit) for name, label, unit in _OBSCORE_DEFAULT if name in by_name]
        if len(found) > 2 and view.raw:
            # Stored values need the names and units that they have in queries; "Energy" is two columns.
            indices = [index for index, _, _ in found]
            if "em_max" in by_name and by_name.get("em_min") in indices:
                indices.insert(indices.index(by_name["em_min"]) + 1, by_name["em_max"])
            return [(index, columns[index].name, columns[index].unit) for index in indices]
        if len(found) > 2:
            return found
    return [(index, column.name, _unit(column, view)) for index, column in enumerate(columns)]


def _unit(column: Column, view: View) -> str:
    name = column.name.lower()
    if not view.raw:
        if name in _UNITS_IN_CELLS:
            return ""
        if name in _DATES:
            return "UTC"
    return column.unit


def build_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    view: View,
    page_of: Callable[[str, str], str] | None = None,
) -> TableView:
    """The page's table.

    Parameters
    ----------
    columns, rows
        The result's columns and the values of this page's rows, in the columns' order.
    view
        What the URL asks to see.
    page_of
        The page of an observation, by obs_collection and obs_id.
    """
    shown = chosen_columns(columns, view)
    selectable = is_obscore(columns)
    combined = not view.columns and selectable and not view.raw
    names = [column.name.lower() for column in columns]
    body = []
    footprints = []
    for number, values in enumerate(rows):
        row = dict(zip(names, values))
        cells = tuple(
            spectral_cell(row)
            if combined and names[index] == "em_min"
            else cell(names[index], values[index], row, raw=view.raw)
            for index, _, _ in shown
        )
        line = _linked(_row(str(number), row, cells), [names[index] for index, _, _ in shown], page_of)
        body.append(line)
        outline = _footprint(line, row, columns)
        if outline is not None:
            footprints.append(outline)
    return TableView(
        headers=tuple(_header(columns[index], label, unit, view) for index, label, unit in shown),
        rows=tuple(body),
        footprints=tuple(footprints),
        selectable=selectable,
        all_names=tuple(column.name for column in columns),
    )


def _header(column: Column, label: str, unit: str, view: View) -> Header:
    here = view.sort.lower() == column.name.lower()
    help_text = column.description
    if column.unit and column.unit != unit:
        help_text = f"{help_text} (stored in {column.unit})" if help_text else f"stored in {column.unit}"
    if label != column.name:
        help_text = f"{column.name}: {help_text}"
    return Header(
        name=column.name,
        label=label,
        unit=unit,
        help=help_text,
        numeric=column.datatype not in ("char", "unicodeChar", "boolean") and not column.arraysize,
        sorted=("descending" if view.descending else "ascending") if here else "",
        sort_query=view.query(sort=column.name, descending=here and not view.descending, page=1),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if is_missing(value) else str(value)


def _row(key: str, row: Mapping[str, Any], cells: tuple[Cell, ...]) -> TableRow:
    collection, obs_id = _text(row, "obs_collection"), _text(row, "obs_id")
    target = _text(row, "target_name")
    name = obs_id or _text(row, DID) or f"row {int(key) + 1}"
    return TableRow(
        key=key,
        cells=cells,
        did=_text(row, DID),
        collection=collection,
        obs_id=obs_id,
        access_url=_text(row, "access_url"),
        title=f"{target} {name}".strip(),
    )


def _linked(row: TableRow, names: Sequence[str], page_of: Callable[[str, str], str] | None) -> TableRow:
    """The row with obs_id leading to the observation's page and access_url to where it says."""
    links = {}
    if page_of is not None and row.collection and row.obs_id:
        links["obs_id"] = page_of(row.collection, row.obs_id)
    if row.access_url.startswith(("http://", "https://")):
        links["access_url"] = row.access_url
    cells = (replace(cell, href=links.get(name, "")) for name, cell in zip(names, row.cells))
    return replace(row, cells=tuple(cells))


def _footprint(line: TableRow, row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any] | None:
    """What the map needs of a row: key, title, centre, outlines; None without a position."""
    xtype = next((column.xtype for column in columns if column.name.lower() == "s_region"), "")
    outlines = parse_region(row.get("s_region"), "" if xtype.startswith("adql") else xtype)
    ra, dec = _position(row, columns, outlines)
    if ra is None or dec is None:
        return None
    if not outlines:
        outlines = [{"shape": "point", "ra": ra, "dec": dec}]
    return {"key": line.key, "title": line.title, "ra": ra, "dec": dec, "outlines": outlines}


def _position(
    row: Mapping[str, Any], columns: Sequence[Column], outlines: Sequence[Footprint]
) -> tuple[float | None, float | None]:
    """ICRS position of a row: s_ra and s_dec, the main position columns by UCD, or the outline's own."""
    pairs = [("s_ra", "s_dec")]
    main = {
        axis: column.name.lower()
        for column in columns
        for axis in ("ra", "dec")
        if column.ucd.lower().startswith(f"pos.eq.{axis};meta.main") and column.unit == "deg"
    }
    if len(main) == 2:
        pairs.append((main["ra"], main["dec"]))
    for ra_name, dec_name in pairs:
        ra, dec = row.get(ra_name), row.get(dec_name)
        if all(isinstance(value, int | float) and not is_missing(float(value)) for value in (ra, dec)):
            return float(ra), float(dec)  # type: ignore[arg-type]
    for outline in outlines:
        if "ra" in outline:
            return outline["ra"], outline["dec"]
        first = outline["points"][0]
        return first[0], first[1]
    return None, None
