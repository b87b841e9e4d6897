"""What astropy says of a table's columns in YAML: in the header of ECSV, and in the footer of its Parquet files."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """A safe loader that reads tags which it does not know (of Python objects) as plain mappings or nothing."""


def _untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_Loader.add_multi_constructor("!", _untagged)


def loaded(text: str) -> dict[str, Any]:
    """The description, with a list `datatype` of the columns; empty if `text` is none."""
    found = yaml.load(text, Loader=_Loader)
    return found if isinstance(found, dict) and isinstance(found.get("datatype"), list) else {}


def mapping(value: Any) -> dict[str, Any]:
    """A mapping, which may be written as ordered pairs; empty for anything else."""
    if isinstance(value, list):
        pairs = [pair for pair in value if isinstance(pair, tuple) and len(pair) == 2]
        singles = [pair for item in value if isinstance(item, dict) for pair in item.items()]
        value = dict(pairs + singles)
    return value if isinstance(value, dict) else {}


def texts(item: dict[str, Any]) -> dict[str, Any]:
    """unit, ucd, utype, xtype and description of a column, as far as its entry has them."""
    found = {key: str(item.get(key) or "").strip() for key in ("unit", "description")}
    meta = mapping(item.get("meta"))
    found |= {key: str(meta.get(key) or "") for key in ("ucd", "utype", "xtype")}
    return {key: value for key, value in found.items() if value}


def description(found: dict[str, Any]) -> str:
    """The table's."""
    return str(mapping(found.get("meta")).get("description") or "")


def masks(found: dict[str, Any]) -> dict[str, str]:
    """Columns whose values are missing where another column is true, and that column."""
    serialized = mapping(mapping(found.get("meta")).get("__serialized_columns__"))
    pairs = [
        (mapping(c).get("data") or mapping(c).get("value"), mapping(c).get("mask"))
        for c in serialized.values()
    ]
    return {
        str(data["name"]): str(mask["name"])
        for data, mask in pairs
        if isinstance(data, dict) and isinstance(mask, dict) and "name" in data and "name" in mask
    }
