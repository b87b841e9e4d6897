"""Routes of signed links, under `/s/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from gateway.accounts import link_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", link_views.make, name="signed_link_new"),
    path("<str:secret>/<str:name>", link_views.follow, name="signed_link"),
    path("<str:secret>/", link_views.follow),
]
