"""Publishing a result in the archive, and taking it back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gateway.vo.errors import GatewayError, UsageError
from gateway.vo.sessions import caller_of
from obscore import products
from obscore.definition import PRODUCT_TYPES
from uws.models import Job

__all__ = ["publish"]

SHOWN_SOURCES = 20


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: HttpRequest, job_id: str, name: str) -> HttpResponse:
    """What publishing a result means; a POST does it (`action` is `publish` or `take-back`)."""
    caller = caller_of(request)
    draft = products.draft(job_id, name, caller)
    known = products.published(job_id).get(name)
    if request.method == "POST":
        action = request.POST.get("action", "")
        try:
            if action == "publish":
                done = products.publish(
                    job_id,
                    name,
                    caller,
                    title=_typed(request, "title"),
                    target=_typed(request, "target"),
                    kind=_typed(request, "kind"),
                    lineage=bool(request.POST.get("lineage")),
                )
                messages.success(request, "Published: it is in ivoa.obscore, with its provenance.")
                place = reverse("portal:observation", args=[done.collection.name, done.obs_id])
            elif action == "take-back" and known is not None:
                products.take_back(known.did, caller)
                messages.success(request, "Taken back: it is not in the archive any more.")
                place = reverse("portal:job", args=[job_id])
            else:
                raise UsageError("This is nothing that can be done with a result.")
        except GatewayError as error:
            messages.error(request, str(error))
            place = request.path
        return HttpResponseRedirect(place, status=303)
    row = known.row if known else {}
    context = {
        "draft": draft,
        "result": draft.result,
        "job": draft.result.job,
        "published": known,
        "title_value": row.get("obs_title") or draft.title,
        "target_value": row.get("target_name") or draft.target,
        "kind_value": row.get("dataproduct_type") or draft.kind,
        "kinds": PRODUCT_TYPES,
        "sources": draft.sources[:SHOWN_SOURCES],
        "more_sources": max(0, len(draft.sources) - SHOWN_SOURCES),
        "opened": Job.objects.filter(pk__in=draft.opened).order_by("creation_time"),
        "opened_count": len(draft.opened),
    }
    return render(request, "portal/publish.html", context)


def _typed(request: HttpRequest, name: str) -> str:
    """A line of text from the form, without what is no text."""
    return "".join(c for c in request.POST.get(name, "") if c.isprintable()).strip()[:400]
