"""Which tools a data product can be given to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.vo.caller import Caller
from uws.tools import registry
from uws.tools.description import Tool


@dataclass(frozen=True)
class Choice:
    """One line of the "Analyse" menu."""

    name: str
    title: str
    summary: str
    reason: str = ""
    """Why it cannot be used; '' if it can."""


def accepts(tool: Tool, product_types: frozenset[str]) -> bool:
    """Some input of the tool takes one of these types, if they are known; tools without inputs take none."""
    return any(
        not product_types or not role.product_types or product_types & set(role.product_types)
        for role in tool.inputs
    )


def choices(product_types: Iterable[str], caller: Caller) -> list[Choice]:
    """The tools that accept products of these ObsCore types (any that take products, if none is known)."""
    kinds = frozenset(product_types)
    return [
        Choice(tool.name, tool.title, tool.summary, tool.why_not or tool.refusal(caller))
        for tool in registry.all_tools()
        if not tool.deprecated and accepts(tool, kinds)
    ]
