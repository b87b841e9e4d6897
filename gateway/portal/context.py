"""What every template may use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """The site (title, notice, ...) for the base template."""
    return {"site": settings.SITE}
