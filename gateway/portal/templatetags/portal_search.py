"""Template filters of the search pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from gateway.portal.views.common import size_text

register = template.Library()
register.filter("size", size_text)


@register.filter
def item(mapping: Mapping[str, Any] | None, name: str) -> Any:
    """`mapping[name]`, '' where there is none."""
    return (mapping or {}).get(name, "")
