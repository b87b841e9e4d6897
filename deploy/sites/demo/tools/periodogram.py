"""Lomb-Scargle periodogram of values against time, with false-alarm probabilities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.timeseries import LombScargle
from plotting import BLUE, GREY, ORANGE, plt, save
from products import write_tables
from vogate_tool import Input, Job, ToolFailure, listed, plural, progress, write_json

MAXIMUM_FREQUENCIES = 5_000_000
MINIMUM_POINTS = 6
CURVE_POINTS = 2000
LEVELS = (0.1, 0.01, 0.001)

TIME_NAMES = ("time", "t", "mjd", "jd", "bjd", "hjd", "bjd_tdb", "time_mjd", "obs_time", "date")
VALUE_NAMES = ("flux", "rate", "value", "counts", "mag", "magnitude", "y")
ERROR_NAMES = ("{}_err", "{}_error", "e_{}", "{}err", "err_{}", "sigma_{}", "error", "err", "sigma")


@dataclass
class Series:
    """Values against time in days."""

    time: np.ndarray
    value: np.ndarray
    error: np.ndarray | None
    columns: dict[str, str]
    unit: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def span(self) -> float:
        return float(np.ptp(self.time))


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    item = job.inputs["table"][0]
    progress(0.05, f"Reading {item.title or item.id}")
    series = read_series(job, item)
    low, high = frequency_range(job, series)
    search = LombScargle(series.time, series.value, series.error, fit_mean=True)
    progress(0.2, "Computing the periodogram")
    per_peak = job.get("samples_per_peak", 10)
    step = 1 / (per_peak * series.span)
    count = int(np.ceil((high - low) / step)) + 1
    if count > MAXIMUM_FREQUENCIES:
        raise ToolFailure(
            f"That makes {count} frequencies; at most {MAXIMUM_FREQUENCIES} are possible. "
            "Choose a longer shortest period."
        )
    frequency = low + step * np.arange(count)
    power = search.power(frequency, assume_regular_frequency=True, normalization="standard")
    if not np.isfinite(power).any():
        raise ToolFailure("The values are all the same, so there is nothing to search for a period.")
    power = np.nan_to_num(power)
    progress(0.6, "False-alarm probabilities")
    alarm = Alarm(search, job.get("false_alarm_method", "baluev"), (low, high), per_peak)
    result = describe(job, item, series, frequency, power, alarm)
    write_json("periodogram.json", result)
    progress(0.8, "Writing the table")
    table = Table({"frequency": frequency / u.d, "power": power})
    params = [
        ("period", result["best"]["period"], "d", "time.period"),
        ("span", series.span, "d", "time.duration"),
    ]
    ucds = {"frequency": "arith.rate;time.period", "power": "stat.fourier"}
    write_tables("periodogram", table, job, title=result["title"], ucds=ucds, params=params)
    progress(0.9, "Drawing")
    draw(job, series, frequency, power, result)
    progress(1.0, "Done")


@dataclass(frozen=True)
class Alarm:
    """Probability that noise alone makes a peak as high somewhere in the range that was searched."""

    search: LombScargle
    method: str
    span: tuple[float, float]
    samples_per_peak: int

    def _options(self) -> dict[str, Any]:
        extra = {"method_kwds": {"random_seed": 1}} if self.method == "bootstrap" else {}
        return {
            "method": self.method, "minimum_frequency": self.span[0], "maximum_frequency": self.span[1],
            "samples_per_peak": self.samples_per_peak, **extra,
        }  # fmt: skip

    def probability(self, power: float) -> float:
        found = float(self.search.false_alarm_probability(power, **self._options()))
        return min(max(found, 0.0), 1.0)

    def level(self, probability: float) -> float | None:
        """The power that noise exceeds with this probability; None where the search does not converge."""
        try:
            return float(self.search.false_alarm_level(probability, **self._options()))
        except (ValueError, RuntimeError):
            return None


def read_table(item: Input) -> Table:
    """A table from FITS (its first one), VOTable, ECSV or CSV."""
    label = item.title or item.id
    try:
        with open(item.path, "rb") as file:
            start = file.read(2048).lstrip()
        if start.startswith((b"SIMPLE", b"\x1f\x8b")):
            with fits.open(item.path) as hdus:
                number = next(
                    n for n, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
                )
            return Table.read(item.path, format="fits", hdu=number)
        if start.startswith(b"<"):
            return Table.read(item.path, format="votable")
        if b"\0" in start:
            raise ValueError("it is a binary file")
        kind = "ascii.ecsv" if start.startswith(b"# %ECSV") else "ascii.csv"
        return Table.read(item.path, format=kind)
    except (OSError, ValueError, StopIteration, IndexError, TypeError) as error:
        text = " ".join(str(error).split())[:120] or "it has no table"
        raise ToolFailure(f"{label} is no table in FITS, VOTable, ECSV or CSV form ({text}).") from None


def read_series(job: Job, item: Input) -> Series:
    """The columns that are asked for, or those that look like time, value and error."""
    table = read_table(item)
    value_name = pick(table, job.get("value_column", ""), VALUE_NAMES, "values")
    error_name = error_column(table, job.get("error_column", ""), value_name)
    time, time_name = times(table, job.get("time_column", ""))
    value = numbers(table, value_name)
    error = numbers(table, error_name) if error_name else None
    good = np.isfinite(time) & np.isfinite(value)
    if error is not None:
        good &= np.isfinite(error) & (error > 0)
    left_out = int(np.sum(~good))
    columns = {"time": time_name, "value": value_name, "error": error_name}
    series = Series(
        time[good],
        value[good],
        None if error is None else error[good],
        columns,
        str(table[value_name].unit or ""),
    )
    if left_out:
        series.warnings.append(f"{plural(left_out, 'row')} without a usable time, value or error: left out.")
    if not _is_time(table, time_name):
        series.warnings.append(f"Column {time_name} has no unit of time; taken for days.")
    if len(series.time) < MINIMUM_POINTS:
        raise ToolFailure(
            f"A period cannot be searched for in {plural(len(series.time), 'point')}; at least {MINIMUM_POINTS} are needed."
        )
    if series.span <= 0:
        raise ToolFailure("All times are the same.")
    return series


def _is_time(table: Table, name: str) -> bool:
    first = table[name.split(" and ")[0]]
    return first.unit is not None and u.Unit(first.unit).is_equivalent(u.d)


def pick(table: Table, wanted: str, candidates: tuple[str, ...], what: str) -> str:
    """A column by name, without regard to case; the first candidate that is there without a name."""
    by_name = {name.lower(): name for name in table.colnames}
    if wanted:
        if wanted.lower() not in by_name:
            raise ToolFailure(f"There is no column {wanted!r}; there are {listed(table.colnames[:30])}.")
        return by_name[wanted.lower()]
    for candidate in candidates:
        if candidate in by_name:
            return by_name[candidate]
    raise ToolFailure(f"Say which column holds the {what}; there are {listed(table.colnames[:30])}.")


def error_column(table: Table, wanted: str, value_name: str) -> str:
    if wanted:
        return pick(table, wanted, (), "errors")
    by_name = {name.lower(): name for name in table.colnames}
    names = [form.format(value_name.lower()) for form in ERROR_NAMES]
    return next((by_name[name] for name in names if name in by_name), "")


def times(table: Table, wanted: str) -> tuple[np.ndarray, str]:
    """Times in days; the middle of our own light curves' bins."""
    by_name = {name.lower(): name for name in table.colnames}
    if not wanted and {"t_start_mjd", "t_stop_mjd"} <= set(by_name):
        first, last = by_name["t_start_mjd"], by_name["t_stop_mjd"]
        return (numbers(table, first) + numbers(table, last)) / 2, f"{first} and {last}"
    name = pick(table, wanted, TIME_NAMES, "times")
    values = numbers(table, name)
    unit = table[name].unit
    if unit is not None and u.Unit(unit).is_equivalent(u.d):
        values = values * u.Unit(unit).to(u.d)
    return values, name


def numbers(table: Table, name: str) -> np.ndarray:
    column = table[name]
    if column.ndim > 1 or not np.issubdtype(column.dtype, np.number):
        raise ToolFailure(f"Column {name} does not hold one number per row.")
    values = column.value if isinstance(column, u.Quantity) else np.ma.getdata(column)
    return np.where(np.ma.getmaskarray(column), np.nan, np.asarray(values, dtype=float))


def frequency_range(job: Job, series: Series) -> tuple[float, float]:
    """Lowest and highest frequency in 1/d: by the periods asked for, else by span and sampling."""
    longest = job.get("period_max", series.span)
    # The mean Nyquist frequency, five times over: uneven sampling can show faster variations.
    nyquist = 0.5 * len(series.time) / series.span
    shortest = job.get("period_min", 1 / (5 * nyquist))
    if shortest >= longest:
        raise ToolFailure(
            f"The shortest period ({shortest:g} d) must be below the longest ({longest:g} d); "
            f"the observations span {series.span:g} d."
        )
    return 1 / longest, 1 / shortest


def describe(
    job: Job, item: Input, series: Series, frequency: np.ndarray, power: np.ndarray, alarm: Alarm
) -> dict[str, Any]:
    """The JSON form of a periodogram (README.md)."""
    peaks = [
        {
            "frequency": frequency[i],
            "period": 1 / frequency[i],
            "power": power[i],
            "false_alarm_probability": alarm.probability(power[i]),
        }
        for i in highest_peaks(frequency, power, job.get("peaks", 5), 1 / series.span)
    ]
    shown = thinned(power, CURVE_POINTS)
    return {
        "kind": "periodogram",
        "title": f"Periodogram of {item.title or item.id}",
        **{f"{name}_column": column for name, column in series.columns.items()},
        "n": len(series.time),
        "time_unit": "d",
        "span": series.span,
        "frequency_unit": "d-1",
        "frequency_min": frequency[0],
        "frequency_max": frequency[-1],
        "normalisation": "standard",
        "false_alarm_method": alarm.method,
        "best": peaks[0],
        "peaks": peaks,
        "levels": [{"probability": one, "power": alarm.level(one)} for one in LEVELS],
        "curve": {"frequency": frequency[shown], "power": power[shown]},
        "warnings": series.warnings,
        **job.record(),
    }


def highest_peaks(frequency: np.ndarray, power: np.ndarray, count: int, width: float) -> list[int]:
    """Indices of the highest local maxima, each further than `width` from the higher ones."""
    inner = np.flatnonzero((power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])) + 1
    candidates = inner if len(inner) else np.array([int(np.argmax(power))])
    chosen: list[int] = []
    for index in candidates[np.argsort(power[candidates])[::-1]]:
        if all(abs(frequency[index] - frequency[other]) > width for other in chosen):
            chosen.append(int(index))
        if len(chosen) == count:
            break
    return chosen


def thinned(power: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most `most` samples: the highest one of each block, so that no peak is lost."""
    if len(power) <= most:
        return np.arange(len(power))
    edges = np.linspace(0, len(power), most + 1).astype(int)
    return np.array([low + int(np.argmax(power[low:high])) for low, high in zip(edges[:-1], edges[1:])])


def draw(job: Job, series: Series, frequency: np.ndarray, power: np.ndarray, result: dict[str, Any]) -> None:
    """Power against frequency with false-alarm levels, and the values folded at the best period."""
    figure, (top, low) = plt.subplots(2, 1, figsize=(8.2, 7.0))
    figure.subplots_adjust(left=0.11, right=0.96, top=0.92, bottom=0.1, hspace=0.32)
    shown = thinned(power, 20000)
    top.plot(frequency[shown], power[shown], color=BLUE, lw=0.8)
    for level in result["levels"]:
        if level["power"] is not None and level["power"] < 1:
            top.axhline(level["power"], color=GREY, lw=0.8, ls="--")
            top.text(
                frequency[-1],
                level["power"],
                f" {level['probability']:g}",
                fontsize=8,
                va="center",
                color=GREY,
            )
    best = result["best"]
    top.plot(best["frequency"], best["power"], "v", color=ORANGE, ms=7)
    top.set(xlabel="Frequency [1/d]", ylabel="Power", xlim=(frequency[0], frequency[-1]), ylim=(0, None))
    top.set_title(result["title"])
    phase = (series.time - series.time[0]) / best["period"] % 1
    for turn in (0, 1):
        low.errorbar(
            phase + turn, series.value, yerr=series.error, fmt="o", ms=3, lw=0.8, color="black", alpha=0.8
        )
    model = LombScargle(series.time, series.value, series.error).model(
        series.time[0] + np.linspace(0, 2, 200) * best["period"], best["frequency"]
    )
    low.plot(np.linspace(0, 2, 200), model, color=ORANGE, lw=1.3)
    unit = f" [{series.unit}]" if series.unit else ""
    low.set(
        xlabel=f"Phase (period {best['period']:.6g} d)",
        ylabel=f"{re.sub('_', ' ', series.columns['value'])}{unit}",
    )
    low.set_title(f"false-alarm probability {best['false_alarm_probability']:.2g}", fontsize=9, loc="right")
    save(figure, "periodogram", job, result["title"])
