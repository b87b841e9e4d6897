"""ADQL 2.1 compiled to SQL: `compile_query` is what others call; `udf.DECLARED` is what capabilities list."""

from tap.adql.compiler import CompiledQuery, compile_query
from tap.adql.extensions import ALL_EXTENSIONS, Extension

__all__ = ["ALL_EXTENSIONS", "CompiledQuery", "Extension", "compile_query"]
