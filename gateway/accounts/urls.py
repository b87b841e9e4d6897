"""Routes of this room, under `/account/`: allauth's pages keep allauth's names."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from gateway.accounts import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.account, name="account"),
    path("tokens/", views.new_token, name="account_token_new"),
    path("tokens/<int:token_id>/revoke/", views.revoke_token, name="account_token_revoke"),
    path("delete/", views.delete, name="account_delete"),
    path("vo-login", views.vo_login, name="account_vo_login"),
    path("", include("allauth.account.urls")),
]
