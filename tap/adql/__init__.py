"""ADQL 2.1 compiled to SQL: `compile_query` is what others call; `udf.DECLARED` is what capabilities list."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tap.adql.compiler import CompiledQuery, compile_query
    from tap.adql.extensions import ALL_EXTENSIONS, Extension

__all__ = ["ALL_EXTENSIONS", "CompiledQuery", "Extension", "compile_query"]

_HOMES = {
    "CompiledQuery": "tap.adql.compiler",
    "compile_query": "tap.adql.compiler",
    "ALL_EXTENSIONS": "tap.adql.extensions",
    "Extension": "tap.adql.extensions",
}


def __getattr__(name: str) -> Any:
    # Query workers need tap.adql.functions alone: the parser is loaded by those who compile.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
