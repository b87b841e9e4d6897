"""`/provenance/<job id>.<format>`: a job's provenance as a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from provenance import access, recorder
from provenance.records import Document, EntityRecord
from provenance.serialise import default_link, prov_json, prov_n, prov_xml, svg


class Form(NamedTuple):
    """One serialisation."""

    mime: str
    write: Callable[[Document, str], str]


FORMS = {
    "json": Form("application/json", prov_json),
    "provn": Form("text/provenance-notation; charset=utf-8", prov_n),
    "xml": Form("application/provenance+xml", prov_xml),
    "svg": Form("image/svg+xml; charset=utf-8", lambda document, base_url: svg(document, page_of)),
}


def page_of(entity: EntityRecord) -> str:
    """Where the graph's box leads: the entity's location, or the page of an observation of this archive."""
    collection, question, obs_id = entity.id.removeprefix(f"ivo://{settings.SITE.authority}/").partition("?")
    if not entity.location and question and ":" not in collection:
        try:
            return reverse("portal:observation", kwargs={"collection": collection, "obs_id": obs_id})
        except NoReverseMatch:
            return ""
    return default_link(entity)


def base_url(request: HttpRequest) -> str:
    """The public URL of the service."""
    return settings.VOGATE_BASE_URL or request.build_absolute_uri("/").rstrip("/")


@require_safe
def job_provenance(request: HttpRequest, job_id: str, form: str) -> HttpResponse:
    """Provenance of one job, for those who may see the job."""
    access.check(job_id, request.caller)  # type: ignore[attr-defined]
    mime, write = FORMS[form]
    response = HttpResponse(write(recorder.document(job_id), base_url(request)), content_type=mime)
    response["Content-Disposition"] = f'inline; filename="{job_id}-provenance.{form}"'
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    response["Cache-Control"] = "private, no-cache"
    return response
