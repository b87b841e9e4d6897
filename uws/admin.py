"""Jobs as operators see them: to look, and to abort; the controller does the rest."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from gateway.vo.errors import GatewayError
from uws import controller, queues
from uws.models import Attempt, Job, QueueStop


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
        "priority",
    )
    list_filter = ("phase", "tool_name", "executor")
    search_fields = ("id", "run_id", "owner__username", "error_message")
    ordering = ("-creation_time",)
    show_full_result_count = False
    inlines = (AttemptInline,)
    actions = ("abort_jobs", "hurry", "hold_back")

    @admin.action(description="Abort the selected jobs")
    def abort_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        for job in jobs:
            controller.abort(job, "Aborted by an operator.")

    @admin.action(description="Raise the priority of the selected jobs")
    def hurry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        jobs.update(priority=10)

    @admin.action(description="Lower the priority of the selected jobs")
    def hold_back(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        jobs.update(priority=-10)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class QueueStopForm(forms.ModelForm):
    """Which queue or tool, as on the command line."""

    queue = forms.CharField(help_text="An executor (local, runner, ...), tool:<name>, or all")

    class Meta:
        model = QueueStop
        fields = ("queue", "mode", "reason")

    def clean_queue(self) -> str:
        name = str(self.cleaned_data["queue"]).strip()
        try:
            queues.check_name(name)
        except GatewayError as error:
            raise forms.ValidationError(str(error)) from None
        return name


@admin.register(QueueStop)
class QueueStopAdmin(admin.ModelAdmin):
    """Adding one pauses or drains a queue or tool, deleting it resumes."""

    form = QueueStopForm
    list_display = ("name", "mode", "reason", "since", "by")

    @admin.display(description="queue")
    def name(self, stop: QueueStop) -> str:
        return f"tool:{stop.tool_name}" if stop.tool_name else stop.executor

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: QueueStop, form: Any, change: bool) -> None:
        made = queues.stop(
            form.cleaned_data["queue"], obj.mode, reason=obj.reason, by=request.user.get_username()
        )
        obj.pk, obj.executor, obj.tool_name = made.pk, made.executor, made.tool_name

    def delete_model(self, request: HttpRequest, obj: QueueStop) -> None:
        count = queues.resume(self.name(obj))
        messages.info(request, f"{count} jobs are queued again.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[QueueStop]) -> None:
        for stop in queryset:
            self.delete_model(request, stop)
