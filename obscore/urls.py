"""Routes of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from obscore import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("datalink/links", views.links, name="datalink"),
    path("datalink/capabilities", views.capabilities),
    path("datalink/availability", views.availability),
    path("data/<str:collection>/terms", views.terms, name="terms"),
    path("data/<str:collection>/<str:name>", views.auxiliary, name="auxiliary"),
    path("data/<str:collection>/<str:obs_id>/<str:name>", views.product, name="product"),
]
