"""The dictionary that Aladin desktop is started with where it has no internet."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gateway.portal.aladin import dictionary
from gateway.portal.views.common import base_url


@require_safe
def aladin_dictionary(request: HttpRequest) -> HttpResponse:
    text = dictionary(base_url(request), settings.SITE.title)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")
