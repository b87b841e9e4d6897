"""The tables of functions and limits in docs/adql.md, made of what the compiler has.

`python -m tap.adql.reference` writes them anew; a test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tap.adql import build, lexer, moc, regions, resolve, shapes, specials, udf
from tap.adql.extensions import DESCRIPTIONS, Extension
from tap.adql.library import Function

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adql.md"

_SECTIONS = {
    "ivo_": "The IVOA's catalogue",
    "moc": "MOC",
    "vogate_": "This service's own",
    "gavo_": "DaCHS's",
}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(functions: Iterable[Function]) -> list[str]:
    lines = ["| form | what it gives | example |", "|---|---|---|"]
    lines += [
        f"| `{_cell(item.form)}` | {_cell(item.description)} | `{_cell(item.example)}` |"
        for item in functions
    ]
    return lines


def functions() -> str:
    """All functions that the capabilities may declare, by where they come from."""
    lines: list[str] = []
    for prefix, title in _SECTIONS.items():
        lines += [f"### {title}", ""]
        lines += _rows(item for item in udf.DECLARED if item.name.startswith(prefix))
        lines.append("")
    return "\n".join(lines)


def extensions() -> str:
    lines = ["| name in site.toml | what it adds |", "|---|---|"]
    lines += [f"| `{item.value}` | {_cell(DESCRIPTIONS[item])} |" for item in Extension]
    return "\n".join([*lines, ""])


def limits() -> str:
    """What a query may be at most; operators set none of these."""
    found = {
        "characters of a query": lexer.MAX_LENGTH,
        "words and signs of a query": lexer.MAX_TOKENS,
        "parentheses inside each other": lexer.MAX_NESTING,
        "set operations of a query": lexer.MAX_OPERATIONS,
        "tables of one FROM": resolve.MAX_SOURCES,
        "conditions joined by AND or OR": build.MAX_CONDITIONS,
        "operands of one arithmetic expression": build.MAX_CHAIN,
        "vertices of a polygon": shapes.MAX_VERTICES,
        "shapes of a REGION": regions.MAX_PARTS,
        "ranges of a MOC that is written out": moc.MAX_RANGES,
        "order of a MOC that is made of a shape (of a point 29)": moc.FINEST,
        "bins of a histogram": specials.MAX_BINS,
    }
    lines = ["| most | |", "|---|---|"]
    lines += [f"| {name} | {value:,} |" for name, value in found.items()]
    return "\n".join([*lines, ""])


def filled(page: str) -> str:
    """The page with what stands between its markers made anew."""
    for name, made in {"extensions": extensions(), "functions": functions(), "limits": limits()}.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, count = pattern.subn(lambda found, made=made: found[1] + made + found[2], page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{PAGE.name} has no place for the {name}")
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is up to date.\n")
