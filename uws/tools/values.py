"""From what a user typed to a parameter's value: types, units, limits, options, lists."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gateway.vo.errors import UsageError

if TYPE_CHECKING:
    from uws.tools.description import Parameter

_NUMBER_WITH_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_SEXAGESIMAL = re.compile(r"\s*[+-]?\d+\s*[hd°].*\d\s*['\"ms′″]?\s*", re.IGNORECASE)
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}


def is_blank(raw: Any) -> bool:
    """True for what a form sends of an empty field."""
    if raw is None:
        return True
    if isinstance(raw, str):
        return not raw.strip()
    if isinstance(raw, list | tuple):
        return all(is_blank(item) for item in raw)
    return False


def is_null(parameter: Parameter, raw: Any) -> bool:
    """True for the text NaN where a number is wanted: VOTable's null, as clients of descriptors send it."""
    numeric = parameter.type.value in ("float", "integer")
    return numeric and isinstance(raw, str) and raw.strip().lower() == "nan"


def identifiers(value: Any) -> list[str]:
    """Identifiers from a list or from one text; white space and commas separate them.

    IVOIDs, URLs and publisher DIDs contain neither white space nor, by RFC 3986's advice, bare commas.
    """
    items = value if isinstance(value, list | tuple) else [value]
    return [word for item in items for word in re.split(r"[\s,]+", str(item)) if word]


def chosen(parameter: Parameter, raw: Any) -> Any:
    """The user's value, or the default, or None for an optional parameter without one."""
    if raw is not None:
        return convert(parameter, raw)
    if parameter.default is not None:
        return parameter.default
    if parameter.required:
        raise _fault(parameter, "is missing.")
    return None


def convert(parameter: Parameter, raw: Any) -> Any:
    """A value in the parameter's declared type and unit.

    Raises
    ------
    UsageError
        With a sentence for the user; `.field` is the parameter's name.
    """
    if not parameter.multiple:
        if isinstance(raw, list | tuple):
            if len(raw) != 1:
                raise _fault(parameter, f"takes one value, not {len(raw)}.")
            raw = raw[0]
        return _one(parameter, raw)
    items = list(raw) if isinstance(raw, list | tuple) else _pieces(raw)
    values = [_one(parameter, item) for item in items if not is_blank(item)]
    if len(values) < parameter.min_count:
        raise _fault(parameter, f"needs at least {parameter.min_count} values, not {len(values)}.")
    if parameter.max_count is not None and len(values) > parameter.max_count:
        raise _fault(parameter, f"takes at most {parameter.max_count} values, not {len(values)}.")
    return values


def _pieces(raw: Any) -> list[Any]:
    return list(re.split(r"[,;\n]", raw)) if isinstance(raw, str) else [raw]


def _one(parameter: Parameter, raw: Any) -> Any:
    kind = parameter.type.value
    if kind == "boolean":
        value: Any = _boolean(parameter, raw)
    elif kind == "string":
        value = _text(parameter, raw)
    else:
        value = _number(parameter, raw)
        if kind == "integer":
            if value != int(value):
                raise _fault(parameter, f"must be a whole number, not {value:g}.")
            value = int(value)
    _check_options(parameter, value)
    if kind in ("float", "integer") and not parameter.options:
        _check_limits(parameter, value)
    return value


def _boolean(parameter: Parameter, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _fault(parameter, f"must be true or false, not {str(raw)[:40]!r}.")


def _text(parameter: Parameter, raw: Any) -> str:
    if isinstance(raw, Mapping | list | tuple):
        raise _fault(parameter, "must be a text.")
    value = str(raw).strip()
    if len(value) > parameter.max_length:
        raise _fault(parameter, f"is longer than {parameter.max_length} characters.")
    if any(ord(character) < 32 and character not in "\t\n\r" for character in value):
        raise _fault(parameter, "contains control characters.")
    if parameter.pattern and not re.fullmatch(parameter.pattern, value):
        raise _fault(parameter, f"does not have the right form: {value[:60]!r}.", parameter.help)
    return value


def _number(parameter: Parameter, raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise _fault(parameter, f"must be a number, not {str(raw)[:40]!r}.")
    if isinstance(raw, str):
        value = _quantity(parameter, raw)
    else:
        value = raw
    if not math.isfinite(value):
        raise _fault(parameter, "must be a finite number.")
    return value


def _quantity(parameter: Parameter, raw: str) -> float:
    if parameter.unit and _SEXAGESIMAL.fullmatch(raw):
        return _angle(parameter, raw)
    match = _NUMBER_WITH_UNIT.fullmatch(raw)
    if match is None:
        raise _fault(parameter, f"must be a number, not {raw[:40]!r}.", _example(parameter))
    number, unit = float(match[1]), match[2]
    if not unit or unit == parameter.unit:
        # Integers beyond 2**53 would lose digits as floats.
        return int(match[1]) if re.fullmatch(r"[+-]?\d+", match[1]) else number
    if not parameter.unit:
        raise _fault(parameter, f"has no unit, so {unit[:20]!r} does not fit.")
    factor = _factor(unit, parameter.unit)
    if factor is None:
        raise _fault(
            parameter, f"is in {parameter.unit}; {unit[:20]!r} is no unit of that kind.", _example(parameter)
        )
    # 15 digits: 300 GeV is 0.3 TeV, not 0.30000000000000004.
    return float(f"{number * factor:.15g}")


@lru_cache(maxsize=512)
def _factor(unit: str, declared: str) -> float | None:
    """By what a number in `unit` is multiplied to be in `declared`; None if they do not convert."""
    from astropy import units

    try:
        return float(units.Unit(unit).to(units.Unit(declared)))
    except (ValueError, TypeError, units.UnitsError):
        return None


def _angle(parameter: Parameter, raw: str) -> float:
    """`5h34m31.9s` or `22d00m52s`, whose letters leave no doubt about what is meant."""
    from astropy import units
    from astropy.coordinates import Angle

    try:
        return float(f"{Angle(raw.strip()).to_value(units.Unit(parameter.unit)):.12g}")
    except (ValueError, TypeError, units.UnitsError):
        raise _fault(parameter, f"must be a number, not {raw[:40]!r}.", _example(parameter)) from None


def _check_options(parameter: Parameter, value: Any) -> None:
    if not parameter.options or any(option.value == value for option in parameter.options):
        return
    names = [str(option.value) for option in parameter.options]
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"Did you mean {near[0]}?" if near else ""
    raise _fault(parameter, f"must be one of {', '.join(names)}, not {str(value)[:40]!r}.", hint)


def _check_limits(parameter: Parameter, value: float) -> None:
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    if low is not None and (value < low or (parameter.exclusive_minimum and value == low)):
        bound = "above" if parameter.exclusive_minimum else "at least"
        raise _fault(parameter, f"must be {bound} {low:g}{unit}, not {value:g}{unit}.")
    if high is not None and value > high:
        raise _fault(parameter, f"must be at most {high:g}{unit}, not {value:g}{unit}.")


def _example(parameter: Parameter) -> str:
    example = parameter.default if parameter.default is not None else 1
    return f"Type for example {example} or {example} {parameter.unit}." if parameter.unit else ""


def _fault(parameter: Parameter, problem: str, hint: str = "") -> UsageError:
    return UsageError(f"{parameter.title} {problem}", hint=hint, field=parameter.name)
