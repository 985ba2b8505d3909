"""The audit: who did what, and when. Nobody changes it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import EMPTY, when
from openfn_platform.projects.models import AuditEntry, Role

SHOWN = 120


@admin.register(AuditEntry)
class AuditEntryAdmin(ScopedAdmin):
    installation_rows = True
    roles = {"view": Role.VIEWER}
    list_display = ("moment", "actor_name", "action", "what", "changed")
    list_select_related = ("project",)
    list_display_links = ("moment",)
    list_filter = (
        ("action", admin.AllValuesFieldListFilter),
        ("object_type", admin.AllValuesFieldListFilter),
    )
    search_fields = ("actor_name", "object_name", "object_id", "action")
    search_help_text = "A person, a thing, or a thing’s id"
    ordering = ("-id",)
    fields = (
        "moment",
        "actor_name",
        "token",
        "action",
        "object_type",
        "what",
        "object_id",
        "project",
        "all_changes",
    )
    readonly_fields = ("moment", "what", "all_changes")

    @admin.display(description="when", ordering="id")
    def moment(self, entry: AuditEntry) -> str:
        return when(entry.at)

    @admin.display(description="what", ordering="object_name")
    def what(self, entry: AuditEntry) -> str:
        return entry.object_name or EMPTY

    @admin.display(description="changes")
    def changed(self, entry: AuditEntry) -> str:
        text = "; ".join(_line(name, value) for name, value in entry.changes.items())
        return (text if len(text) <= SHOWN else text[: SHOWN - 1] + "…") or EMPTY

    @admin.display(description="changes")
    def all_changes(self, entry: AuditEntry) -> SafeString | str:
        if not entry.changes:
            return EMPTY
        lines = ((_line(name, value),) for name, value in entry.changes.items())
        return format_html('<div class="ws-lines">{}</div>', format_html_join("", "<div>{}</div>", lines))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return super().get_search_results(request, queryset, search_term.strip())


def _line(name: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:  # before and after
        return f"{name}: {_word(value[0])} → {_word(value[1])}"
    return f"{name}: {_word(value)}"


def _word(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
