"""Pictures of what differs between two products, as SVG documents that need nothing else."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from gateway.portal.differences import Array, Column, Curves, Images, Point, Table

__all__ = ["describe", "draw"]

WIDTH = 760
PANEL = 240
"""Most pixels of an image along each side."""
EARLIER, LATER, INK, GRID, BAD = "#14213d", "#b5460f", "#1b2333", "#d5dae3", "#a4122a"
STRIP = 56
MARKS = 1500
"""Most rows of a table that are drawn one by one."""


def draw(found: Images | Curves | Table) -> str:
    """The picture."""
    if isinstance(found, Images):
        return _images(found)
    return _curves(found) if isinstance(found, Curves) else _table(found)


def describe(found: Images | Curves | Table) -> str:
    """The same in a sentence, for those who do not see it."""
    if isinstance(found, Images):
        unequal = _unequal(found)
        change = np.abs(found.change)
        most = float(np.nanmax(change)) if np.isfinite(change).any() else math.nan
        return (
            f"{unequal} of {found.earlier.size} pixels differ, by at most {most:.3g} {found.unit}; "
            f"the sums are {np.nansum(found.earlier):.6g} and {np.nansum(found.later):.6g}."
        ).replace(" ;", ";")
    if isinstance(found, Curves):
        same = len(set(found.earlier) & set(found.later))
        return f"{len(found.earlier)} and {len(found.later)} points, of which {same} are the same."
    names = ", ".join(f"{c.name} ({c.differing} of {c.rows} rows)" for c in found.columns)
    parts = [f"These columns differ: {names}." if names else ""]
    if found.rows[0] != found.rows[1]:
        parts.append(f"There are {found.rows[0]} and {found.rows[1]} rows.")
    for side, only in zip(("earlier", "later"), found.only, strict=True):
        if only:
            parts.append(f"Only the {side} one has {', '.join(only)}.")
    return " ".join(filter(None, parts))


def _svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" class="pg-difference" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}" role="img" '
        f'aria-label="{escape(title)}"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", **more: str) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


# -- images -----------------------------------------------------------------------------------------------


def _unequal(found: Images) -> int:
    return int((~np.isclose(found.earlier, found.later, rtol=0, atol=0, equal_nan=True)).sum())


def _images(found: Images) -> str:
    a, b, change = (_smaller(values) for values in (found.earlier, found.later, found.change))
    both = np.concatenate([a[np.isfinite(a)], b[np.isfinite(b)], [0.0]])
    low, high = float(both.min()), float(both.max())
    most = float(np.nanmax(np.abs(change))) if np.isfinite(change).any() else 0.0
    size = (WIDTH - 40) / 3
    tall = size * a.shape[0] / a.shape[1]
    parts = []
    panels = (
        ("earlier", _grey(a, low, high), f"{low:.3g} to {high:.3g} {found.unit}"),
        ("later", _grey(b, low, high), f"{low:.3g} to {high:.3g} {found.unit}"),
        ("later − earlier", _diverging(change, most), f"−{most:.3g} (blue) to {most:.3g} (red) {found.unit}"),
    )
    for number, (name, pixels, scale) in enumerate(panels):
        x = 10 + number * (size + 10)
        parts.append(_text(x, 20, name, font_weight="600"))
        parts.append(
            f'<image x="{x:.1f}" y="28" width="{size:.1f}" height="{tall:.1f}" preserveAspectRatio="none" '
            f'image-rendering="pixelated" href="data:image/png;base64,{_png(pixels)}"/>'
            f'<rect x="{x:.1f}" y="28" width="{size:.1f}" height="{tall:.1f}" fill="none" stroke="{GRID}"/>'
        )
        parts.append(_text(x, tall + 46, scale, font_size="11"))
    return _svg(WIDTH, tall + 60, describe(found), parts)


def _smaller(values: Array) -> Array:
    """The image with at most PANEL pixels along each side: of each block the value farthest from zero."""
    step = max(1, -(-max(values.shape) // PANEL))
    if step == 1:
        return values
    height, width = (-(-n // step) * step for n in values.shape)
    padded = np.full((height, width), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height // step, step, width // step, step).swapaxes(1, 2)
    flat = blocks.reshape(*blocks.shape[:2], -1)
    far = np.nan_to_num(np.abs(flat), nan=-1.0).argmax(axis=2)
    return np.asarray(np.take_along_axis(flat, far[..., None], axis=2)[..., 0], dtype=float)


def _grey(values: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    grey = (255 * (1 - np.sqrt(np.clip(scaled, 0, 1)))).astype(np.uint8)
    return np.repeat(grey[::-1, :, None], 3, axis=2)  # FITS counts rows upwards


def _diverging(values: Array, most: float) -> npt.NDArray[np.uint8]:
    scaled = np.clip(np.nan_to_num(values / (most or 1.0)), -1, 1)
    strength = np.sqrt(np.abs(scaled))[..., None]
    colour = np.where(scaled[..., None] > 0, np.array([178, 24, 43]), np.array([33, 102, 172]))
    return (255 - strength * (255 - colour)).astype(np.uint8)[::-1]


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\x00" + row.tobytes() for row in np.ascontiguousarray(pixels))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return base64.b64encode(png).decode()


# -- spectra and light curves -----------------------------------------------------------------------------


class _Axis:
    """From values to places, on a linear or logarithmic scale."""

    def __init__(self, values: Sequence[float], start: float, end: float, logarithmic: bool) -> None:
        self.log = logarithmic and min(values, default=1.0) > 0
        places = [math.log10(v) if self.log else v for v in values] or [0.0]
        low, high = min(places), max(places)
        pad = 0.06 * (high - low) or abs(low) * 0.1 or 1.0
        self.low, self.high, self.start, self.end = low - pad, high + pad, start, end

    def at(self, value: float) -> float:
        place = (math.log10(value) if value > 0 else self.low) if self.log else value
        share = (place - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            decades = range(math.ceil(self.low), math.floor(self.high) + 1)
            if len(decades) >= 2:
                return [10.0**n for n in decades]
            return [10 ** (self.low + (self.high - self.low) * n / 4) for n in range(1, 4)]
        step = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(n for n in (1, 2, 5, 10) if (self.high - self.low) / (step * n) <= 6)
        return [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _curves(found: Curves) -> str:
    points = (*found.earlier, *found.later)
    left, right, top, bottom, height = 90, WIDTH - 20, 40, 300, 430
    ends = [v for p in points for v in (p.y, p.y + p.high, p.y - p.low) if not found.logarithmic or v > 0]
    x = _Axis([p.x for p in points], left, right, found.logarithmic)
    y = _Axis(ends, bottom, top, found.logarithmic)
    parts = [_frame(x, y, left, right, top, bottom), _text(left, 24, found.y_name, font_weight="600")]
    for name, colour, series, shift, place in (
        ("earlier", EARLIER, found.earlier, -2.5, right - 150),
        ("later", LATER, found.later, 2.5, right - 60),
    ):
        parts += [_point(p, x, y, colour, shift) for p in series]
        parts.append(f'<circle cx="{place}" cy="20" r="4" fill="{colour}"/>' + _text(place + 10, 24, name))
    parts += _changes(found, x, left, right, bottom + 34, height - 40)
    parts.append(_text((left + right) / 2, height - 8, found.x_name, "middle"))
    return _svg(WIDTH, height, describe(found), parts)


def _frame(x: _Axis, y: _Axis, left: float, right: float, top: float, bottom: float) -> str:
    parts = [
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" stroke="{GRID}"/>'
    ]
    for value in x.ticks():
        place = x.at(value)
        parts.append(f'<path d="M{place:.1f} {top}V{bottom}" stroke="{GRID}"/>')
        parts.append(_text(place, bottom + 16, f"{value:g}" if x.log else f"{value:.8g}", "middle"))
    for value in y.ticks():
        place = y.at(value)
        parts.append(f'<path d="M{left} {place:.1f}H{right}" stroke="{GRID}"/>')
        parts.append(_text(left - 8, place + 4, f"{value:.3g}", "end"))
    return "".join(parts)


def _point(p: Point, x: _Axis, y: _Axis, colour: str, shift: float) -> str:
    cx, cy = x.at(p.x) + shift, y.at(p.y)
    if p.limit:
        return f'<path d="M{cx - 5:.1f} {cy:.1f}h10m-5 0v14m-4 -5l4 5l4 -5" stroke="{colour}" fill="none"/>'
    bar = f'<path d="M{cx:.1f} {y.at(p.y - p.low):.1f}V{y.at(p.y + p.high):.1f}" stroke="{colour}"/>'
    return f'{bar}<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="{colour}"/>'


def _changes(found: Curves, x: _Axis, left: float, right: float, top: float, bottom: float) -> list[str]:
    """Later minus earlier in units of the earlier error (or of the value), point by point."""
    later = {p.x: p for p in found.later if not p.limit}
    pairs = [(p, later[p.x]) for p in found.earlier if not p.limit and p.x in later]
    with_errors = all(p.high > 0 for p, _ in pairs)
    values = [(p.x, (other.y - p.y) / (p.high if with_errors else abs(p.y) or 1.0)) for p, other in pairs]
    most = max((abs(value) for _, value in values), default=0.0) or 1.0
    y = _Axis([-most, most], bottom, top, False)
    unit = "earlier errors" if with_errors else "of the value"
    zero = y.at(0)
    parts = [
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" stroke="{GRID}"/>',
        f'<path d="M{left} {zero:.1f}H{right}" stroke="{INK}" stroke-dasharray="3 3"/>',
        _text(left + 6, top + 14, f"later − earlier, {unit}", font_size="11"),
        *(_text(left - 8, y.at(value) + 4, f"{value:.2g}", "end") for value in (-most, most)),
    ]
    for place, value in values:
        cx = x.at(place)
        parts.append(
            f'<path d="M{cx:.1f} {zero:.1f}V{y.at(value):.1f}" stroke="{BAD}"/>'
            f'<circle cx="{cx:.1f}" cy="{y.at(value):.1f}" r="3.5" fill="{BAD}"/>'
        )
    return parts


# -- tables -----------------------------------------------------------------------------------------------


def _table(found: Table) -> str:
    parts = [_text(10, 20, "later − earlier, row by row", font_weight="600")]
    top = 30.0
    for column in found.columns:
        parts.append(_strip(column, top))
        top += STRIP + 8
    if not found.columns:
        parts.append(_text(10, top + 14, describe(found)))
        top += 24
    return _svg(WIDTH, top + 8, describe(found), parts)


def _strip(column: Column, top: float) -> str:
    left, right, middle = 210.0, WIDTH - 90.0, top + STRIP / 2
    finite = column.change[np.isfinite(column.change)]
    most = float(np.abs(finite).max()) if finite.size else 0.0
    parts = [
        _text(10, middle - 4, column.name[:28], font_weight="600"),
        _text(10, middle + 12, f"{column.differing} of {column.rows} rows", font_size="11"),
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{STRIP}" fill="none" stroke="{GRID}"/>',
        f'<path d="M{left} {middle}H{right}" stroke="{GRID}"/>',
        _text(right + 6, top + 12, "text" if column.is_text else f"±{most:.3g}", font_size="11"),
    ]
    rows = np.flatnonzero(column.change != 0)
    if len(rows) > MARKS:  # the largest ones, and every so many of the rest
        largest = rows[np.argsort(-np.nan_to_num(np.abs(column.change[rows])))[: MARKS // 2]]
        rows = np.unique(np.concatenate([largest, rows[:: max(1, 2 * len(rows) // MARKS)]]))
    marks = []
    for row in rows:
        x = left + (right - left) * (row + 0.5) / max(1, column.rows)
        value = column.change[row]
        share = value / most if most and np.isfinite(value) else 1.0
        marks.append(f"M{x:.1f} {middle:.1f}V{middle - share * (STRIP / 2 - 3):.1f}")
    parts.append(f'<path d="{"".join(marks)}" stroke="{BAD}" fill="none"/>')
    return "".join(parts)
