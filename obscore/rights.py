"""Who may read a product: ObsCore's data_rights and obs_release_date decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.vo.caller import Caller

PUBLIC = (None, "", "public")


def is_public(row: Mapping[str, Any], now: datetime | None = None) -> bool:
    """Whether everybody may read the product of an ObsCore row: public, or released by now.

    Proprietary data without a release date stay so.
    """
    if row.get("data_rights") in PUBLIC:
        return True
    released = row.get("obs_release_date")
    if not released:
        return False
    try:
        date = datetime.fromisoformat(str(released).rstrip("Z"))
    except ValueError:
        return False
    return date.replace(tzinfo=date.tzinfo or UTC) <= (now or datetime.now(UTC))


def may_read(row: Mapping[str, Any], caller: Caller) -> bool:
    """Whether this caller may; the site's staff may read everything."""
    return is_public(row) or caller.is_staff
