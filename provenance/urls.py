"""Routes of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, re_path

from provenance import views

app_name = "provenance"
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        r"^(?P<job_id>[A-Za-z0-9-]{1,60})\.(?P<form>json|provn|xml|svg)$", views.job_provenance, name="job"
    ),
]
