"""Jobs as operators see them: to look, and to abort; the controller does the rest."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from uws import controller
from uws.models import Attempt, Job


class AttemptInline(admin.TabularInline):
    """The tries of a job."""

    model = Attempt
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Read-only: phases change by the controller alone."""

    list_display = (
        "id",
        "tool_name",
        "phase",
        "owner",
        "creation_time",
        "start_time",
        "end_time",
        "attempt",
        "worker",
    )
    list_filter = ("phase", "tool_name", "executor")
    search_fields = ("id", "run_id", "owner__username", "error_message")
    ordering = ("-creation_time",)
    show_full_result_count = False
    inlines = (AttemptInline,)
    actions = ("abort_jobs",)

    @admin.action(description="Abort the selected jobs")
    def abort_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        for job in jobs:
            controller.abort(job, "Aborted by an operator.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
