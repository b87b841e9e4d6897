"""`/provenance/<job id>.<format>`: a job's provenance as a document."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gateway.vo.dali import Parameters
from gateway.vo.sessions import caller_of
from provenance import access, formats, recorder
from provenance.formats import page_of
from provenance.provsap import choice
from provenance.serialise import Flavour, svg

__all__ = ["job_provenance", "page_of"]


@require_safe
def job_provenance(request: HttpRequest, job_id: str, form: str) -> HttpResponse:
    """Provenance of one job, for those who may see the job; `MODEL=W3C` for the plain W3C graph."""
    access.check(job_id, caller_of(request))
    flavour = choice(Parameters.of(request), "MODEL", {item.value: item for item in Flavour}, "IVOA")
    document = recorder.document(job_id)
    response = formats.respond(
        document, formats.FORMS[form], formats.base_url(request), flavour, name=f"{job_id}-provenance"
    )
    if form == "svg":  # one job, with its parameters, rather than the steps and attempts as a graph
        response.content = svg(document, page_of).encode()
    return response
