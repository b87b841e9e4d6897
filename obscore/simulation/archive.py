"""The simulated archive as a folder: observations, index tables, terms."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gateway.vo.errors import NotAvailable, UsageError
from obscore.report import Report
from obscore.simulation import sky

COLLECTION = "simulated"
"""Name of the collection, and of its profile."""
SEED = 20240229
OBSERVATIONS = 48
DATA_FOLDER = "data"

TERMS = """\
SIMULATED DATA
--------------

Everything in this folder was made by the program `vogate simulate`. Nothing was observed: the telescopes
do not exist, and the sources carry the names and positions of real objects with spectra that were chosen
freely. The data show how a gateway works with event lists in the format of real gamma-ray observatories.

Do not use them for science, and do not show them as observations. If you pass them on, keep this file with
them and say that they are simulated. Otherwise you may do with them what you like (CC0 1.0).

What was simulated: point sources with power-law spectra, amplitude * (E / 1 TeV) ** -index

    source          index   amplitude at 1 TeV (cm-2 s-1 TeV-1)
{sources}
The flux of a source with several factors changes from night to night by these factors, in turn. The
keywords SIM_INDX and SIM_AMPL in the header of each event list have the values of that observation.

Seed of the random numbers: {seed}. Observations: {count}.
"""


def make(
    folder: Path, *, observations: int = OBSERVATIONS, seed: int = SEED, report: Report | None = None
) -> int:
    """Make the archive; what was in the folder is replaced.

    Parameters
    ----------
    folder
        Is made; it must not hold anything else than an earlier simulation.
    observations
        Number of observations, shared by four sources.
    seed
        The same seed gives the same files.

    Returns
    -------
    int
        The number of observations.

    Raises
    ------
    UsageError
        If the numbers or the folder cannot be used.
    NotAvailable
        If gammapy is not installed.
    """
    report = report or Report()
    if not len(sky.SOURCES) <= observations <= 396:
        raise UsageError(
            f"Between {len(sky.SOURCES)} and 396 observations can be simulated, not {observations}."
        )
    if seed < 0:
        raise UsageError("The seed must not be negative.")
    _check_folder(folder)
    try:
        import gammapy  # noqa: F401

        from obscore.simulation import events, files, instrument
    except ImportError as error:
        raise NotAvailable(
            f"The simulation needs gammapy, which is not installed ({error.name}).",
            hint='Install it with: pip install "vogate[demo]"',
        ) from None
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / DATA_FOLDER).mkdir(parents=True)
    runs = sky.schedule(observations)
    counts: dict[int, int] = {}
    report.say(f"Simulating {len(runs)} observations of {len(sky.SOURCES)} sources (seed {seed})")
    for number, run in enumerate(runs, 1):
        drawn = events.draw(run, seed)
        counts[run.obs_id] = len(drawn.time)
        tables = instrument.responses(run.zenith)
        hdus = files.observation_hdus(run, drawn, tables, seed)
        files.write(hdus, draft / DATA_FOLDER / files.file_name(run))
        report.progress("Simulating", number, len(runs))
    obs_index, hdu_index = files.index_tables(runs, counts, DATA_FOLDER)
    files.write(obs_index, draft / "obs-index.fits.gz")
    files.write(hdu_index, draft / "hdu-index.fits.gz")
    (draft / "README.txt").write_text(terms(len(runs), seed), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    return len(runs)


def terms(count: int = OBSERVATIONS, seed: int = SEED) -> str:
    """The README.txt of the archive."""
    lines = []
    for source in sky.SOURCES:
        factors = "" if source.nights == (1.0,) else f"   factors {', '.join(map(str, source.nights))}"
        lines.append(f"    {source.name:<15} {source.index:<7} {source.amplitude:.2e}{factors}\n")
    return TERMS.format(sources="".join(lines), seed=seed, count=count)


def _check_folder(folder: Path) -> None:
    """Never remove what somebody else put there."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    readme = folder / "README.txt"
    is_ours = readme.is_file() and readme.read_text(encoding="utf-8", errors="replace").startswith(
        "SIMULATED DATA"
    )
    if not is_ours and any(folder.iterdir()):
        raise UsageError(f"{folder} holds other files; give an empty folder or one that does not exist.")
