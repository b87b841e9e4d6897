"""Numbers, errors and units as papers print them; how well a fit describes its data."""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"(?<=[A-Za-zµΩ])(?:\*\*|\^)?\(?(-?\d+)\)?")
BAD_FIT_P_VALUE = 1e-3
PLAIN_DECADES = range(-3, 5)
"""Powers of ten that are written without an exponent."""


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def unit_text(unit: str | None) -> str:
    """`cm-2 s-1 TeV-1` (VOUnit or FITS) as cm⁻² s⁻¹ TeV⁻¹."""
    spaced = re.sub(r"\s+|(?<=\w)\.(?=[A-Za-z])", " ", unit or "").strip()
    return _POWER.sub(lambda match: match[1].translate(_SUPERSCRIPT), spaced)


def power_text(exponent: int) -> str:
    """10 to a power, with superscript digits."""
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def number_text(value: Any, digits: int = 3) -> str:
    """A number in so many significant digits; very large and small ones as a × 10ⁿ."""
    if not is_number(value):
        return "–"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent in PLAIN_DECADES:
        return _minus(f"{value:.{max(0, digits - 1 - exponent)}f}")
    mantissa, exponent_text = f"{value:.{digits - 1}e}".split("e")
    return f"{_minus(mantissa)} × {power_text(int(exponent_text))}"


def measurement_text(value: Any, error: Any) -> str:
    """A value with its error, the error in two significant digits: 2.63 ± 0.06, (4.26 ± 0.22) × 10⁻¹¹."""
    if not is_number(value):
        return "–"
    if not is_number(error) or error <= 0:
        return number_text(value, 4)
    exponent = math.floor(math.log10(abs(value))) if value else math.floor(math.log10(error))
    if exponent in PLAIN_DECADES:
        places = _places(error)
        return f"{_minus(f'{value:.{places}f}')} ± {error:.{places}f}"
    scale = 10.0**exponent
    places = _places(error / scale)
    return f"({_minus(f'{value / scale:.{places}f}')} ± {error / scale:.{places}f}) × {power_text(exponent)}"


def asymmetric_text(value: Any, low: Any, high: Any) -> str:
    """A value with errors down and up: (1.80 +0.36 −0.29) × 10⁻¹⁰; alike ones are written as ±."""
    if not (is_number(value) and is_number(low) and is_number(high) and low > 0 and high > 0):
        return measurement_text(value, low if is_number(low) else high)
    if abs(low - high) <= 0.1 * max(low, high):
        return measurement_text(value, (low + high) / 2)
    exponent = math.floor(math.log10(abs(value))) if value else math.floor(math.log10(high))
    scale = 1.0 if exponent in PLAIN_DECADES else 10.0**exponent
    places = _places(min(low, high) / scale)
    text = f"{_minus(f'{value / scale:.{places}f}')} +{high / scale:.{places}f} −{low / scale:.{places}f}"
    return text if scale == 1.0 else f"({text}) × {power_text(exponent)}"


def _places(error: float) -> int:
    return min(8, max(0, 1 - math.floor(math.log10(error))))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def chi2_p_value(statistic: float, dof: int) -> float:
    """Probability of a chi-square of `dof` degrees of freedom to be at least `statistic`.

    The regularised upper incomplete gamma function Q(dof/2, statistic/2), by its series or its continued
    fraction (Abramowitz and Stegun 6.5.29 and 6.5.31).
    """
    a, x = dof / 2, statistic / 2
    if dof <= 0 or not math.isfinite(statistic):
        return math.nan
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > 1e-16 * abs(total):
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - front * total)
    return front * _continued_fraction(a, x)


def _continued_fraction(a: float, x: float) -> float:
    """Lentz's method for the fraction of A&S 6.5.31."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    h = d
    for i in range(1, 10000):
        an = -i * (i - a)
        b += 2
        d = 1 / _away_from_zero(an * d + b, tiny)
        c = _away_from_zero(b + an / c, tiny)
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return h


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
