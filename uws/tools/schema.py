"""JSON Schema (2020-12) of a tool's description, as its YAML file has it."""

from __future__ import annotations

from typing import Any

from uws.tools.containers import ENGINES

_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"}
_MODULE = {"type": "string", "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"}
_SCALAR = {"type": ["string", "number", "boolean"]}
_COUNT = {"type": "integer", "minimum": 0}
_ONE_OR_MORE_SCALARS = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_OPTION = {
    "anyOf": [_SCALAR, _object({"value": _SCALAR, "label": _TEXT}, ["value"])],
}
_PARAMETER = _object(
    {
        "type": {"enum": ["float", "integer", "boolean", "string"]},
        "title": _TEXT,
        "help": _TEXT,
        "unit": _TEXT,
        "ucd": _TEXT,
        "default": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
        "default_from": {"anyOf": [_TEXT, _list_of(_TEXT)]},
        "required": {"type": "boolean"},
        "min": {"type": "number"},
        "above": {"type": "number"},
        "max": {"type": "number"},
        "options": {"type": "array", "items": _OPTION, "minItems": 1},
        "multiple": {"type": "boolean"},
        "min_count": _COUNT,
        "max_count": _COUNT,
        "pattern": {"type": "string", "format": "regex"},
        "max_length": {"type": "integer", "minimum": 1},
        "group": _TEXT,
        "advanced": {"type": "boolean"},
        "when": {"type": "object", "additionalProperties": _ONE_OR_MORE_SCALARS, "minProperties": 1},
    },
    ["type", "title"],
)
_INPUT = _object(
    {
        "title": _TEXT,
        "help": _TEXT,
        "formats": _list_of(_TEXT),
        "product_types": _list_of(_TEXT),
        "min": _COUNT,
        "max": {"type": "integer", "minimum": 1},
        "ucd": _TEXT,
    },
    ["title"],
)
_OUTPUT = _object(
    {
        "path": {"type": "string", "pattern": r"^(?!/)(?!.*\.\.)[^\\]+$"},
        "title": _TEXT,
        "media_type": {"type": "string", "pattern": "^[a-z]+/.+$"},
        "role": _NAME,
        "preview": {
            "enum": [
                "none",
                "image",
                "pdf",
                "fits-image",
                "spectrum",
                "lightcurve",
                "table",
                "json",
                "text",
            ]
        },
        "required": {"type": "boolean"},
        "utype": _TEXT,
    },
    ["path", "title", "media_type"],
)

DESCRIPTION: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Description of a tool",
    **_object(
        {
            "name": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"},
            "version": {"type": "string", "pattern": "^[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}$"},
            "title": _TEXT,
            "summary": _TEXT,
            "description": _TEXT,
            "category": _TEXT,
            "reference": _TEXT,
            "argv": {"type": "array", "items": _TEXT, "minItems": 1},
            "files": _list_of(_TEXT),
            "python": {"type": "string", "minLength": 1},
            "requires": _object({"modules": _list_of(_TEXT), "programs": _list_of(_TEXT)}),
            "container": _object(
                {"image": {"type": "string", "pattern": "^[A-Za-z0-9./]"}, "engine": {"enum": list(ENGINES)}},
                ["image"],
            ),
            "warm": {"type": "array", "items": _MODULE, "minItems": 1},
            "access": {
                "anyOf": [
                    {"enum": ["everyone", "signed-in"]},
                    _object({"groups": _list_of(_TEXT)}, ["groups"]),
                ]
            },
            "default": {"type": "boolean"},
            "deprecated": _TEXT,
            "parameters": {
                "type": "object",
                "propertyNames": _NAME,
                "additionalProperties": _PARAMETER,
            },
            "inputs": {"type": "object", "propertyNames": _NAME, "additionalProperties": _INPUT},
            "outputs": {
                "type": "object",
                "propertyNames": _NAME,
                "additionalProperties": _OUTPUT,
                "minProperties": 1,
            },
            "limits": _object(
                {
                    "seconds": {"type": "integer", "minimum": 1},
                    "max_seconds": {"type": "integer", "minimum": 1},
                    "memory_mb": {"type": "integer", "minimum": 1},
                    "disk_mb": {"type": "integer", "minimum": 1},
                    "processes": {"type": "integer", "minimum": 1},
                    "network": {"type": "boolean"},
                }
            ),
            "rules": _list_of(
                _object({"low": _NAME, "high": _NAME, "message": _TEXT}, ["low", "high", "message"])
            ),
            "examples": _list_of(
                _object(
                    {
                        "title": _TEXT,
                        "parameters": {"type": "object"},
                        "inputs": {"type": "object", "additionalProperties": _list_of(_TEXT)},
                        "fails": _TEXT,
                    },
                    ["title"],
                )
            ),
        },
        ["name", "version", "title", "summary", "argv", "outputs"],
    ),
}
