"""Routes of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from provenance import provsap, views

app_name = "provenance"
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        r"^(?P<job_id>[A-Za-z0-9-]{1,60})\.(?P<form>json|provn|xml|svg|vot|ttl|jsonld|png|pdf|graph)$",
        views.job_provenance,
        name="job",
    ),
]

provsap_urlpatterns: list[URLPattern] = [
    path("provsap", provsap.sync, name="provsap"),
    path("provsap/", provsap.sync),
    path("provsap/sync", provsap.sync),
    path("provsap/capabilities", provsap.capabilities),
    path("provsap/availability", provsap.availability),
]
