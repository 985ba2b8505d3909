"""Tables: the list, making one, putting one away. The pages of one table are in `table_pages`."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from jobs.admin.table_pages import (
    bring_in_view,
    csv_view,
    history_view,
    row_view,
    settings_view,
    table_page,
)
from jobs.models import Table, TableKind
from jobs.tables import table_archive, table_create
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import Role


def _archive(request: HttpRequest, table: Table, _values: dict[str, Any]) -> HttpResponse:
    table_archive(table=table, by=actor_of(request))
    messages.success(request, f"“{table.name}” was put away; jobs find it no more.")
    return HttpResponseRedirect(reverse("admin:jobs_table_changelist"))


@admin.register(Table)
class TableAdmin(ScopedAdmin):
    empty = (
        "A table keeps what jobs look up, such as facility codes, or what they need again. It "
        "can be filled from a CSV file."
    )
    roles = {"view": Role.VIEWER, "add": Role.EDITOR, "change": Role.EDITOR}
    list_display = ("name", "in_code", "kind_badge", "rows", "changed", "description")
    list_select_related = ("project",)
    list_filter = ("kind",)
    search_fields = ("name", "key", "description")
    search_help_text = "Name or key"
    ordering = ("name",)
    deeds = (
        Deed(
            name="archive",
            label="Archive",
            role=Role.EDITOR,
            do=_archive,
            ask="Jobs find it no more: runs that use it fail from now on. Its rows are kept.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Table]:
        rows: QuerySet[Table] = super().get_queryset(request)
        return rows.filter(archived_at=None).select_related("project")

    @admin.display(description="in code", ordering="key")
    def in_code(self, table: Table) -> str:
        return f"tables.{table.attribute}"

    @admin.display(description="kind", ordering="kind")
    def kind_badge(self, table: Table) -> SafeString:
        return badge("Lookup" if table.kind == TableKind.LOOKUP else "Store", title=table.get_kind_display())

    @admin.display(description="rows", ordering="row_count")
    def rows(self, table: Table) -> str:
        return f"{table.row_count:,}"

    @admin.display(description="changed", ordering="changed_at")
    def changed(self, table: Table) -> SafeString | str:
        return when(table.changed_at)

    def get_urls(self) -> list[URLPattern]:
        pages = (
            ("row", row_view),
            ("csv", csv_view),
            ("bring-in", bring_in_view),
            ("changes", history_view),
            ("settings", settings_view),
        )
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(partial(view, self)),
                name=f"jobs_table_{name.replace('-', '_')}",
            )
            for name, view in pages
        ]
        return own + super().get_urls()

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        table = self.object_or_404(request, thing) if isinstance(thing, str) else thing
        edits, sees = self.may(request, Role.EDITOR, table), self.may_see_data(request, table)
        offered = (
            (sees, "changes", "History", "history", "What happened to its rows, and who did it."),
            (sees, "csv", "Export CSV", "download", "All rows, or those that are searched for."),
            (edits and sees, "bring_in", "Bring in CSV", "upload", "Look at what would change, then decide."),
            (edits, "settings", "Settings", "tune", "Name, kind and limits."),
        )
        own = [
            Button(
                url=self.url_of(name, table.pk), label=label, asks=True, icon=icon, tone="plain", hint=hint
            )
            for allowed, name, label, icon, hint in offered
            if allowed
        ]
        return own + super().buttons(request, table)

    # --- making one -------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("project", "name", "kind", "description")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made = table_create(
            project=given["project"],
            name=given["name"],
            kind=given["kind"],
            description=given["description"],
            by=actor_of(request),
        )
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"“{obj.name}” is there. Add rows below, or bring in a CSV.")
        return HttpResponseRedirect(self.url_of("change", obj.pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return table_page(self, request, self.object_or_404(request, object_id))
