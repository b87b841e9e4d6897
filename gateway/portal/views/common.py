"""Small things that several pages need."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from gateway.site import JobLimits
from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from uws.models import Job
from uws.tools import registry
from uws.tools.description import Tool


def base_url(request: HttpRequest) -> str:
    """Public URL of the service, without a slash at its end."""
    return settings.VOGATE_BASE_URL or request.build_absolute_uri("/").rstrip("/")


def limits_of(caller: Caller) -> JobLimits:
    """What this caller may ask of the job controller."""
    site = settings.SITE
    limits: JobLimits = site.signed_in if caller.is_authenticated else site.anonymous
    return limits


def tool_of(job: Job) -> Tool | None:
    """The description that the job ran with, else the tool's current one, else None (TAP queries)."""
    for version in (job.tool_version, ""):
        try:
            return registry.get(job.tool_name, version)
        except NotFound:
            continue
    return None


def job_title(job: Job, tool: Tool | None) -> str:
    """What the job does, in words."""
    if tool is not None:
        return tool.title
    return "TAP query" if job.tool_name == "tap" else job.tool_name


def duration_text(value: timedelta | float | None) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`, `7 days`; empty for None."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 10:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    parts: list[Any] = []
    for unit, size in (("day", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return " ".join(parts[:2])


def size_text(count: int) -> str:
    """A file size in decimal units, as file managers show it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{count} B"
