"""Observations for the demo site's tools: simulated ones, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shared import shared_folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One observation of each simulated source, by the source's name."""
    pytest.importorskip("gammapy")
    from obscore.simulation import archive, sky

    folder = tmp_path_factory.mktemp("simulated") / "archive"
    archive.make(folder, observations=len(sky.SOURCES))
    files = sorted((folder / "data").glob("*.fits.gz"))
    return {source.name: path for source, path in zip(sky.SOURCES, files)}


@pytest.fixture(scope="session")
def real_observations() -> dict[str, list[Path]]:
    """The files of the H.E.S.S. data release, by target."""
    from astropy.io import fits

    folder = shared_folder("data/hess-dl3-dr1")
    found: dict[str, list[Path]] = {}
    for row in fits.getdata(folder / "obs-index.fits.gz"):
        path = folder / "data" / f"hess_dl3_dr1_obs_id_{row['OBS_ID']:06d}.fits.gz"
        found.setdefault(row["OBJECT"].strip(), []).append(path)
    return found
