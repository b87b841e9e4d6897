"""A tool's parameters in other forms: fields of a web form, and JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uws.tools.description import Option, Parameter, ParameterType, Tool


@dataclass(frozen=True)
class FormField:
    """What a template needs to draw one parameter."""

    name: str
    label: str
    help: str
    unit: str
    widget: str
    """number, text, textarea, checkbox, select or multiselect."""
    value: Any
    """Typed default or the user's own text; a list for multiple values."""
    required: bool
    min: float | None
    max: float | None
    step: str
    """`any` or `1`, for number widgets."""
    options: tuple[Option, ...]
    multiple: bool
    group: str
    advanced: bool
    limits: str
    """The limits in words: "0.01 to 100 TeV"."""
    placeholder: str
    when: tuple[tuple[str, tuple[Any, ...]], ...]
    """The field applies while each of these other fields has one of these values."""
    error: str = ""


def form_fields(
    tool: Tool,
    defaults: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[FormField]:
    """The form of a tool.

    Parameters
    ----------
    defaults
        Values that go before the description's own: from the input rows, or what the user typed.
    errors
        Messages by parameter name.
    """
    return [_field(parameter, defaults or {}, errors or {}) for parameter in tool.parameters]


def form_groups(fields: list[FormField]) -> list[tuple[str, list[FormField]]]:
    """Fields under their headings, in the order of the description."""
    groups: dict[str, list[FormField]] = {}
    for field in fields:
        groups.setdefault(field.group, []).append(field)
    return list(groups.items())


def _field(parameter: Parameter, defaults: Mapping[str, Any], errors: Mapping[str, str]) -> FormField:
    value = defaults.get(parameter.name, parameter.default)
    if value is None:
        value = [] if parameter.multiple else ""
    return FormField(
        name=parameter.name,
        label=parameter.title,
        help=parameter.help,
        unit=parameter.unit,
        widget=_widget(parameter),
        value=value,
        required=parameter.required,
        min=parameter.minimum,
        max=parameter.maximum,
        step="1" if parameter.type is ParameterType.INTEGER else "any",
        options=parameter.options,
        multiple=parameter.multiple,
        group=parameter.group,
        advanced=parameter.advanced,
        limits=limits_in_words(parameter),
        placeholder="" if parameter.required or parameter.default is not None else "optional",
        when=parameter.when,
        error=errors.get(parameter.name, ""),
    )


def _widget(parameter: Parameter) -> str:
    if parameter.options:
        return "multiselect" if parameter.multiple else "select"
    if parameter.type is ParameterType.BOOLEAN:
        return "checkbox"
    if parameter.multiple or parameter.type is ParameterType.STRING:
        return "textarea" if parameter.max_length > 2000 else "text"
    # A number with a unit is a text field: "500 GeV" may be typed where TeV is declared.
    return "text" if parameter.unit else "number"


def limits_in_words(parameter: Parameter) -> str:
    """`0.01 to 100 TeV`, `at least 1`, `above 0 deg`, or nothing."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        first = "above " if parameter.exclusive_minimum else ""
        joint = " up to " if parameter.exclusive_minimum else " to "
        return f"{first}{low:g}{joint}{high:g}{unit}"
    if low is not None:
        return f"{'above' if parameter.exclusive_minimum else 'at least'} {low:g}{unit}"
    return f"at most {high:g}{unit}" if high is not None else ""


_JSON_TYPES = {
    ParameterType.FLOAT: "number",
    ParameterType.INTEGER: "integer",
    ParameterType.BOOLEAN: "boolean",
    ParameterType.STRING: "string",
}


def parameters_schema(tool: Tool) -> dict[str, Any]:
    """JSON Schema (2020-12) of the `parameters` object in `job.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Parameters of {tool.id}",
        "description": tool.summary,
        "type": "object",
        "properties": {parameter.name: _parameter_schema(parameter) for parameter in tool.parameters},
        "required": [p.name for p in tool.parameters if p.required and p.default is None and not p.when],
        "additionalProperties": False,
    }


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPES[parameter.type]}
    if parameter.options:
        schema["enum"] = [option.value for option in parameter.options]
    if parameter.minimum is not None:
        schema["exclusiveMinimum" if parameter.exclusive_minimum else "minimum"] = parameter.minimum
    if parameter.maximum is not None:
        schema["maximum"] = parameter.maximum
    if parameter.pattern:
        schema["pattern"] = f"^(?:{parameter.pattern})$"
    if parameter.type is ParameterType.STRING and not parameter.options:
        schema["maxLength"] = parameter.max_length
    if parameter.multiple:
        schema = {"type": "array", "items": schema, "minItems": parameter.min_count}
        if parameter.max_count is not None:
            schema["maxItems"] = parameter.max_count
    schema["title"] = parameter.title
    if parameter.help:
        schema["description"] = parameter.help
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.unit:
        schema["x-unit"] = parameter.unit
    if parameter.ucd:
        schema["x-ucd"] = parameter.ucd
    return schema
