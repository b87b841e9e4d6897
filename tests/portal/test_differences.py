"""What differs between two products, found and drawn."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table as AstropyTable
from lxml import etree

from gateway.portal.difference_svg import describe, draw
from gateway.portal.differences import Curves, Images, Table, difference


def image(path: Path, pixels: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.asarray(pixels, dtype="float32"))]).writeto(path)
    return path


def table(path: Path, **columns: Any) -> Path:
    AstropyTable(columns).write(path, format="votable" if path.suffix == ".vot" else "fits")
    return path


def curve(path: Path, **changes: float) -> Path:
    points = [{"e_ref": 2.0**n, "dnde": 1e-11 * 4.0**-n, "dnde_err": 1e-12} for n in range(4)]
    points[1] |= changes
    points.append({"e_ref": 32.0, "is_ul": True, "dnde_ul": 1e-15})
    path.write_text(json.dumps({"energy_unit": "TeV", "flux_unit": "cm-2 s-1 TeV-1", "points": points}))
    return path


def drawn(found: Any) -> etree._Element:
    """The drawing, well-formed and needing nothing else."""
    root = etree.fromstring(draw(found).encode())
    for node in root.iter():
        for name, value in node.attrib.items():
            assert "href" not in name or value.startswith("data:image/png;base64,")
            assert name != "style"
    return root


def test_images_give_both_and_their_difference(tmp_path: Path) -> None:
    sky = np.random.default_rng(1).poisson(3, (2, 300, 500))
    changed = sky.copy()
    changed[1, 7, 11] += 5
    found = difference(image(tmp_path / "a.fits", sky), image(tmp_path / "b.fits", changed), "fits-image")
    assert isinstance(found, Images)
    assert np.argwhere(found.change).tolist() == [[7, 11]]
    assert describe(found).startswith("1 of 150000 pixels differ, by at most 5;")
    pictures = drawn(found).findall("{*}image")
    assert len(pictures) == 3
    from PIL import Image

    pixels = pictures[2].get("href").partition(",")[2]  # type: ignore[union-attr]
    (tmp_path / "c.png").write_bytes(base64.b64decode(pixels))
    shown = np.asarray(Image.open(tmp_path / "c.png")).astype(int)
    red = np.argwhere((shown != 255).any(axis=2))
    step = -(-500 // shown.shape[1])
    assert red.tolist() == [[shown.shape[0] - 1 - 7 // step, 11 // step]], "one pixel, rows upwards"


def test_spectra_are_laid_over_each_other(tmp_path: Path) -> None:
    found = difference(curve(tmp_path / "a.json"), curve(tmp_path / "b.json", dnde=3e-12), "spectrum")
    assert isinstance(found, Curves)
    assert describe(found) == "5 and 5 points, of which 4 are the same."
    text = "".join(drawn(found).itertext())
    assert "energy / TeV" in text
    assert "earlier errors" in text
    assert difference(tmp_path / "a.json", tmp_path / "a.json", "spectrum") is None


def test_light_curves_have_linear_axes_and_stand_losses(tmp_path: Path) -> None:
    paths = []
    for name, number in (("a", 3), ("b", 2)):
        points = [
            {"t_start_mjd": 53000 + n, "t_stop_mjd": 53000.02 + n, "flux": 1e-11} for n in range(number)
        ]
        (tmp_path / name).write_text(json.dumps({"points": points, "flux_unit": "cm-2 s-1"}))
        paths.append(tmp_path / name)
    found = difference(*paths, "lightcurve")
    assert isinstance(found, Curves)
    assert not found.logarithmic
    drawn(found)
    empty = tmp_path / "c"
    empty.write_text('{"points": []}')
    drawn(difference(paths[0], empty, "lightcurve"))


def test_tables_tell_which_columns_differ_and_where(tmp_path: Path) -> None:
    rows = {"id": [1, 2, 3], "flux": [1.0, np.nan, 3.0], "name": ["a", "b", "<&>"], "v": np.zeros((3, 2))}
    moved = {**rows, "flux": [1.0, np.nan, 3.5], "name": ["a", "b", "c"], "v": np.eye(3)[:, :2]}
    found = difference(table(tmp_path / "a.fits", **rows), table(tmp_path / "b.fits", **moved), "table")
    assert isinstance(found, Table)
    assert {c.name: c.differing for c in found.columns} == {"flux": 1, "name": 1, "v": 2}
    assert "flux (1 of 3 rows)" in describe(found)
    drawn(found)
    votables = [table(tmp_path / f"{n}.vot", x=values) for n, values in (("a", [1.0]), ("b", [1.0, 2.0]))]
    longer = difference(*votables, "table")
    assert isinstance(longer, Table)
    assert "1 and 2 rows" in describe(longer)
    assert "1 and 2 rows" in "".join(drawn(longer).itertext())


@pytest.mark.parametrize("content", [b"", b"SIMPLE", b"{", b'{"points": 3}', b"\x00" * 10])
def test_what_cannot_be_read_is_not_drawn(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content + b" ")
    for preview in ("", "spectrum", "lightcurve", "table", "fits-image"):
        assert difference(tmp_path / "a", tmp_path / "b", preview) is None


def test_names_of_columns_are_text(tmp_path: Path) -> None:
    name = '<script>alert("1")</script>'
    files = [table(tmp_path / f"{v}.fits", **{name: [v]}) for v in (1.0, 2.0)]
    picture = draw(difference(*files, "table"))  # type: ignore[arg-type]
    assert "<script" not in picture
    assert not re.search(r"[^\w]on\w+=", picture)
