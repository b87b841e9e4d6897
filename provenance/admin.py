"""Provenance in the admin site: to look at, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from provenance import models


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """No adding, changing or deleting: a record that can be edited proves nothing."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Activity)
class ActivityAdmin(ReadOnly):
    list_display = ("id", "name", "activityDescription", "phase", "exitCode", "startTime", "endTime")
    list_filter = ("phase", "final", "activityDescription__name")
    list_select_related = ("activityDescription",)
    search_fields = ("id", "name", "runId")


@admin.register(models.Entity)
class EntityAdmin(ReadOnly):
    list_display = ("id", "kind", "name", "collection", "generatedAtTime", "invalidatedAtTime")
    list_filter = ("kind", "collection")
    search_fields = ("id", "name", "content__sha256")


@admin.register(models.Agent)
class AgentAdmin(ReadOnly):
    list_display = ("id", "name", "type", "affiliation")
    search_fields = ("id", "name")


@admin.register(models.ActivityDescription)
class ActivityDescriptionAdmin(ReadOnly):
    list_display = ("id", "name", "version", "type", "digest")
    search_fields = ("name", "version", "digest")
