"""Routes of the TAP service, mounted at /tap/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from tap import operator_views, views
from uws.urls import job_urls

app_name = "tap"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.root, name="root"),
    path("sync", views.sync, name="sync"),
    path("capabilities", views.capabilities, name="capabilities"),
    path("availability", views.availability, name="availability"),
    path("tables", views.tables, name="tables"),
    path("tables/<str:name>", views.table, name="table"),
    path("tables/<str:name>/moc", views.moc, name="moc"),
    path("explain", operator_views.explain, name="explain"),
    path("examples", views.examples, name="examples"),
    *job_urls("tap"),
]
