"""Routes of the cone searches, mounted at /scs."""

from __future__ import annotations

from django.urls import URLPattern, path

from tap import cone_views

app_name = "scs"

urlpatterns: list[URLPattern] = [
    path("", cone_views.listing, name="listing"),
    path("<str:name>", cone_views.search, name="search"),
    path("<str:name>/capabilities", cone_views.capabilities, name="capabilities"),
    path("<str:name>/availability", cone_views.availability, name="availability"),
    path("<str:name>/tables", cone_views.tables, name="tables"),
]
