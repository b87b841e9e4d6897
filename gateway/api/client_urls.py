"""Routes of the Python client's package, below /client/."""

from __future__ import annotations

from django.urls import path

from gateway.api import wheel

urlpatterns = [
    path("", wheel.index, name="client"),
    path("<str:name>", wheel.download),
]
