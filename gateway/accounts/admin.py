"""Accounts in the admin site: tokens without their secrets, links without their addresses."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from gateway.accounts.models import ApiToken, SignedLink


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Operators see and revoke tokens; only their owners make them."""

    list_display = ("name", "user", "prefix", "created", "last_used", "revoked")
    list_filter = (("revoked", admin.EmptyFieldListFilter), "created")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username", "user__email")
    readonly_fields = ("user", "name", "prefix", "created", "last_used", "revoked")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = queryset.filter(revoked__isnull=True).update(revoked=timezone.now())
        self.message_user(request, f"{count} revoked.")


@admin.register(SignedLink)
class SignedLinkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To see what is shared, and to end a link by deleting it."""

    list_display = ("path", "user", "created", "expires")
    list_select_related = ("user",)
    search_fields = ("path", "user__username")
    readonly_fields = ("path", "user", "created", "expires")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
