"""What every template may use."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings
from django.http import HttpRequest

from obscore.demo import archive_notice


@lru_cache(maxsize=1)
def _version() -> str:
    try:
        return version("vogate")
    except PackageNotFoundError:
        return ""


def site(request: HttpRequest) -> dict[str, object]:
    """The site (title, publisher, ...), its notice, and the version for the base template."""
    return {"site": settings.SITE, "site_notice": archive_notice(), "vogate_version": _version()}
