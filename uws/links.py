"""Absolute URLs of jobs, as the caller sees the gateway."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix

from uws.models import Job


def base_url(request: HttpRequest) -> str:
    """Public URL of the gateway, without a slash at the end."""
    configured: str = settings.VOGATE_BASE_URL
    return configured or request.build_absolute_uri(get_script_prefix()).rstrip("/")


def job_url(job: Job, base: str) -> str:
    """The job's own URL, under which its other resources are."""
    return f"{base}/{job.service_path}/{job.pk}"


def result_url(job: Job, name: str, base: str) -> str:
    return f"{job_url(job, base)}/results/{name}"


def page_url(job: Job, base: str) -> str:
    """URL of the job's page for people."""
    return f"{base}/jobs/{job.pk}/"
