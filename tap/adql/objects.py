"""The name resolver that `ivo_simbadpoint` asks; the gateway says which it is, this package has none."""

from __future__ import annotations

from collections.abc import Callable

Resolver = Callable[[str], tuple[float, float]]
"""A name to right ascension and declination, degrees ICRS; raises a GatewayError for names it does not know."""

_resolver: Resolver | None = None


def use(resolver: Resolver | None) -> None:
    """Resolve names with this function from now on; None for not at all."""
    global _resolver
    _resolver = resolver


def resolver() -> Resolver | None:
    return _resolver
