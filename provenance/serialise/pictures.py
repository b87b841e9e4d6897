"""Drawings as PNG and PDF, by CairoSVG (which needs the system's Cairo library)."""

from __future__ import annotations

from gateway.vo.errors import NotAvailable

PIXELS_PER_UNIT = 2.0
"""Sharp on screens of high resolution and in print at a column's width."""
MAX_PIXELS = 40_000_000


def png(svg: str) -> bytes:
    """The drawing in pixels, on white.

    Raises
    ------
    NotAvailable
        If Cairo is not installed.
    """
    cairosvg = _cairo()
    width, height = _size(svg)
    scale = min(PIXELS_PER_UNIT, (MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
    return bytes(cairosvg.svg2png(bytestring=svg.encode(), scale=scale, background_color="white"))


def pdf(svg: str) -> bytes:
    """The drawing as one page of vectors.  Raises NotAvailable if Cairo is not installed."""
    return bytes(_cairo().svg2pdf(bytestring=svg.encode()))


def _cairo():  # type: ignore[no-untyped-def]
    try:
        import cairosvg
    except (ImportError, OSError) as error:  # OSError: the library itself is missing
        raise NotAvailable(
            "Drawings as PNG or PDF need the Cairo library, which is not installed here.",
            hint="Take the SVG instead.",
        ) from error
    return cairosvg


def _size(svg: str) -> tuple[float, float]:
    from lxml import etree

    box = etree.fromstring(svg.encode()).get("viewBox", "0 0 1000 1000").split()
    return float(box[2]), float(box[3])
