"""Certificates of erasure: what was erased where, when, by whom and why, and what had gone where."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.badges import badge
from openfn_platform.projects.models import Role
from runs.admin.pages import HistoryAdmin, download
from runs.models import Erasure, ErasureState, Run
from runs.models.run import FINAL_STATES
from runs.templatetags.runs import when

MOST_SHOWN = 200


@admin.register(Erasure)
class ErasureAdmin(HistoryAdmin):
    empty = "Whoever erases a person, by way of “Find a person”, gets a certificate. They stand here."
    roles = {"view": Role.ADMIN}
    page_template = "admin/runs/erasure/page.html"
    list_display = ("number", "state_badge", "begun", "by_name", "reason")
    list_display_links = ("number",)
    search_fields = ("number",)
    search_help_text = "The number of a certificate"

    @admin.display(description="state")
    def state_badge(self, erasure: Erasure) -> SafeString:
        done = erasure.state == ErasureState.DONE
        return badge("Done" if done else "Under way", "good" if done else "busy")

    @admin.display(description="begun")
    def begun(self, erasure: Erasure) -> SafeString | str:
        return when(erasure.created_at)

    def list_rows(self, queryset: Any) -> Any:
        return queryset.defer("rows", "recipients", "todo")

    def page_row(self, request: HttpRequest, object_id: str) -> Erasure:
        key = as_uuid(object_id)
        found = self.get_queryset(request).select_related("project").filter(pk=key).first() if key else None
        if found is None or not self.has_view_permission(request, found):
            raise Http404
        return found  # type: ignore[no-any-return]  # rows of ours

    def page_title(self, thing: Erasure) -> str:
        return f"Certificate {thing.number}"

    def page_more(self, request: HttpRequest, thing: Erasure) -> dict[str, Any]:
        waiting = Run.objects.filter(work_order__in=thing.todo.get("orders", []))
        return {
            **certificate(thing),
            "shown": thing.rows[:MOST_SHOWN],
            "more": max(0, len(thing.rows) - MOST_SHOWN),
            "waiting": waiting.exclude(state__in=FINAL_STATES).select_related("job")[:MOST_SHOWN],
        }

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "text": self.text_view}

    def text_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The certificate as a text, to keep or to hand on."""
        erasure = self.page_row(request, object_id)
        text = render_to_string("admin/runs/erasure/certificate.txt", certificate(erasure))
        return download(iter([text.encode()]), name=f"{erasure.number}.txt", kind="text/plain; charset=utf-8")


def certificate(erasure: Erasure) -> dict[str, Any]:
    systems = Counter(
        (each["system"], each["connection"], each["method"], str(each["status"]))
        for each in erasure.recipients
    )
    return {
        "erasure": erasure,
        "systems": [(*key, count) for key, count in sorted(systems.items())],
        "counts": sorted(erasure.counts.items()),
    }
