"""Source extraction finds the sources that were put into an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.table import Table
from astropy.wcs import WCS

from tests.conftest import require
from tests.demo_tools import runs
from uws.tools.availability import why_not
from uws.tools.loader import load

SOURCES = [(40.2, 60.7, 5000.0), (150.5, 30.1, 2000.0), (99.9, 140.3, 900.0)]
"""x and y (FITS pixels, from 1) and total flux."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    generator = np.random.default_rng(7)
    y, x = np.mgrid[1:201, 1:201]
    data = generator.normal(100.0, 2.0, (200, 200))
    for x0, y0, flux in SOURCES:
        data += flux / (2 * np.pi * 4.0) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 8.0)
    world = WCS(naxis=2)
    world.wcs.ctype, world.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
    world.wcs.crval, world.wcs.crpix, world.wcs.cdelt = [83.6, 22.0], [100.5, 100.5], [-0.001, 0.001]
    header = world.to_header()
    header["BUNIT"] = "adu"
    path = tmp_path / "sky, [1] $(x).fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data.astype(np.float32), header, name="SCI")]).writeto(
        path
    )
    return path


@pytest.fixture
def program() -> None:
    require("source-extractor", "source-extractor")


@pytest.mark.usefixtures("program")
def test_it_finds_the_sources_with_their_fluxes_and_positions(tmp_path, image):
    done = runs.run(tmp_path / "run", "source_extraction", {"image": [image]}, threshold=5)
    result = done.json("sources.json")
    assert result["sources"] == len(SOURCES)
    assert result["image"] == [200, 200]
    assert result["background"] == pytest.approx(100, abs=0.5)
    assert result["background_rms"] == pytest.approx(2, abs=0.3)
    world = WCS(fits.getheader(image, 1))
    for row, (x, y, flux) in zip(result["brightest"], SOURCES):
        assert np.hypot(row["x"] - x, row["y"] - y) < 0.2
        assert row["flux"] == pytest.approx(flux, rel=0.1)
        place = world.pixel_to_world(x - 1, y - 1)
        assert (row["ra"], row["dec"]) == (
            pytest.approx(place.ra.deg, abs=3e-4),
            pytest.approx(place.dec.deg, abs=3e-4),
        )
    catalogue = parse_single_table(done.folder / "catalogue.vot")
    assert {f.name: f.ucd for f in catalogue.fields}["ra"] == "pos.eq.ra;meta.main"
    assert len(Table.read(done.folder / "catalogue.fits")) == len(SOURCES)
    assert set(np.unique(fits.getdata(done.folder / "check.fits"))) == {0, 1, 2, 3}
    assert [complaint for path in done.fits for complaint in runs.fits_complaints(path)] == []


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("kind", ["APERTURES", "-BACKGROUND", "OBJECTS", "BACKGROUND"])
def test_every_check_image_has_the_size_of_the_image(tmp_path, image, kind):
    done = runs.run(tmp_path / "run", "source_extraction", {"image": [image]}, check_image=kind)
    assert fits.getdata(done.folder / "check.fits").shape == (200, 200)


@pytest.mark.usefixtures("program")
def test_without_sources_it_says_what_to_change(tmp_path, image):
    inputs = {"image": [image]}
    said = runs.failure(tmp_path / "a", "source_extraction", inputs, threshold=900)
    assert said == "No source is above 900 sigma in 5 connected pixels; lower the threshold or the area."
    done = runs.run(tmp_path / "b", "source_extraction", inputs, threshold=900, allow_empty=True)
    assert done.json("sources.json")["sources"] == 0


@pytest.mark.usefixtures("program")
def test_an_image_without_coordinates_has_pixels_only(tmp_path, image):
    plain = tmp_path / "plain.fits"
    fits.writeto(plain, fits.getdata(image, 1))
    done = runs.run(tmp_path / "run", "source_extraction", {"image": [plain]}, threshold=5)
    assert done.json("sources.json")["brightest"][0]["ra"] is None
    assert "ra" not in Table.read(done.folder / "catalogue.fits").colnames


def test_what_is_no_image_is_refused(tmp_path, image, simulated):
    said = runs.failure(tmp_path / "a", "source_extraction", {"image": [simulated["LS 5039"]]})
    assert "has no image of two dimensions" in said
    said = runs.failure(tmp_path / "b", "source_extraction", {"image": [image]}, extension="ERR")
    assert said.endswith("has no image 'ERR'; it has SCI (1).")


def test_an_absent_program_is_named(tmp_path, image, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (
        why_not(load(runs.TOOLS / "source_extraction.yaml")) == "Program source-extractor is not on the PATH."
    )
    said = runs.failure(tmp_path / "run", "source_extraction", {"image": [image]})
    assert said == "The program source-extractor is not installed here."
