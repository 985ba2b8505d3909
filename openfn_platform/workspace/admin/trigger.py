"""Triggers: the list, and the deeds of their pages (the pages themselves are in triggerpage/)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import EMPTY, Tone, badge
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.workspace.triggerpage.page import add_page, change_page, in_words
from openfn_platform.workspace.triggerpage.picker import picker_view
from openfn_platform.workspace.triggerpage.preview import preview_view
from openfn_platform.workspace.triggerpage.trying import match_view
from openfn_platform.workspace.words import outcome_badge
from runs.models import Run, RunMode
from runs.pressing import AGAIN, pressed
from runs.starting import schedule_run_now
from triggers.editing import trigger_archive, trigger_switch
from triggers.models import Trigger, TriggerKind

KIND_TONES: dict[str, Tone] = {
    TriggerKind.MESSAGE: "busy",
    TriggerKind.SCHEDULE: "warn",
    TriggerKind.FLOW: "plain",
}


def _switch(enabled: bool) -> Any:
    def do(request: HttpRequest, trigger: Trigger, _values: dict[str, Any]) -> str:
        trigger_switch(trigger=trigger, enabled=enabled, by=actor_of(request))
        return f"{trigger.name} is {'on' if enabled else 'off'}."

    return do


def _run_now(request: HttpRequest, trigger: Trigger, _values: dict[str, Any]) -> HttpResponse | str:
    order, again = pressed(
        request,
        project_id=trigger.project_id,
        do=lambda: schedule_run_now(trigger=trigger, by=actor_of(request))[0].work_order,
    )
    if again:
        messages.info(request, AGAIN)
    runs = list(Run.objects.filter(work_order=order, parent=None, retry_of=None).values_list("pk", flat=True))
    if len(runs) == 1:
        return HttpResponseRedirect(reverse("admin:runs_run_change", args=[runs[0]]))
    return "" if again else f"{plural(len(runs), 'run')} started."


def _archive(request: HttpRequest, trigger: Trigger, _values: dict[str, Any]) -> HttpResponse:
    trigger_archive(trigger=trigger, by=actor_of(request))
    messages.success(request, f"“{trigger.name}” was put away. What it started is kept.")
    return HttpResponseRedirect(reverse("admin:triggers_trigger_changelist"))


@admin.register(Trigger)
class TriggerAdmin(ScopedAdmin):
    empty = "A trigger starts jobs: by the clock, when a message fits, or after another job."
    roles = {"view": Role.VIEWER, "add": Role.EDITOR, "change": Role.EDITOR}
    list_display = ("name", "kind_badge", "on", "what", "starts", "next_firing", "last_run")
    list_select_related = ("workflow", "project", "upstream")
    list_filter = ("kind", "enabled", "workflow")
    search_fields = ("name", "key")
    search_help_text = "Name or key"
    ordering = ("name",)
    deeds = (
        Deed(
            name="run-now",
            label="Run now",
            role=Role.OPERATOR,
            do=_run_now,
            applies=lambda trigger: trigger.kind == TriggerKind.SCHEDULE,
            ask="Its jobs run now as if this were their next time: with the memory, which moves on when they succeed.",
            icon="play_arrow",
        ),
        Deed(
            name="switch-on",
            label="Switch on",
            role=Role.EDITOR,
            do=_switch(True),
            applies=lambda trigger: not trigger.enabled,
            icon="power_settings_new",
            tone="primary",
        ),
        Deed(
            name="switch-off",
            label="Switch off",
            role=Role.EDITOR,
            do=_switch(False),
            applies=lambda trigger: trigger.enabled,
            icon="power_off",
        ),
        Deed(
            name="archive",
            label="Archive",
            role=Role.EDITOR,
            do=_archive,
            ask="It starts nothing any more, and addresses of its own are closed. What it started is kept.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: QuerySet[Trigger] = super().get_queryset(request)
        return rows.filter(archived_at=None).select_related(*self.list_select_related)

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows: QuerySet[Any] = super().narrowed(request, queryset)
        newest = Run.objects.filter(trigger=OuterRef("pk"), mode=RunMode.LIVE).order_by("-id")
        return rows.annotate(last_state=Subquery(newest.values("state")[:1])).prefetch_related(
            "trigger_jobs__job"
        )

    @admin.display(description="kind", ordering="kind")
    def kind_badge(self, trigger: Trigger) -> str:
        return badge(str(trigger.get_kind_display()), KIND_TONES[trigger.kind])

    @admin.display(description="state", ordering="enabled")
    def on(self, trigger: Trigger) -> str:
        return badge("On", "good") if trigger.enabled else badge("Off")

    @admin.display(description="when")
    def what(self, trigger: Trigger) -> str:
        return in_words(trigger)

    @admin.display(description="starts")
    def starts(self, trigger: Trigger) -> str:
        return ", ".join(link.job.name for link in trigger.trigger_jobs.all()) or EMPTY

    @admin.display(description="next", ordering="next_slot_at")
    def next_firing(self, trigger: Trigger) -> str:
        if trigger.next_slot_at is None:
            return EMPTY
        return f"{timezone.localtime(trigger.next_slot_at):%a %d %b %H:%M}"

    @admin.display(description="last run")
    def last_run(self, trigger: Any) -> str:
        return outcome_badge(trigger.last_state)

    def get_urls(self) -> list[URLPattern]:
        views = {"preview": preview_view, "match": match_view, "examples": picker_view}
        own = [
            path(f"{name}/", self.admin_site.admin_view(partial(view, self)), name=f"triggers_trigger_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return add_page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return change_page(self, request, self.object_or_404(request, object_id))
