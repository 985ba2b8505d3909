"""The audit: who did what, from where, and who saw personal data. Nobody changes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.admin.audit_filters import FILTERS
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.adminpaging import BoundedPaginator
from openfn_platform.projects.audit_export import MOST_ROWS, audit_export
from openfn_platform.projects.badges import EMPTY, badge, link, when
from openfn_platform.projects.current import current_project, projects_of
from openfn_platform.projects.models import AuditEntry, Project, Role
from openfn_platform.projects.selectors.audit import audit_entries, entries_with_words

SHOWN = 120


@admin.register(AuditEntry)
class AuditEntryAdmin(ScopedAdmin):
    empty = "Here stands who changed, started, opened or exported what, from the first deed on."
    installation_rows = True
    roles = {"view": Role.ADMIN}
    list_display = ("moment", "who", "from_where", "deed", "what", "changed")
    list_select_related = ("project", "token")
    list_display_links = ("moment",)
    list_filter = FILTERS
    list_filter_submit = True
    list_before_template = "admin/projects/audit_above.html"
    search_fields = ("actor_name",)  # or there would be no box; see get_search_results
    search_help_text = "Words of a person, a deed, a thing or a change; or a thing’s id"
    ordering = ("-id",)
    sortable_by = ()
    paginator = BoundedPaginator
    fields = ("moment", "who", "from_where", "deed", "kind", "what", "object_id", "project", "all_changes")
    readonly_fields = ("moment", "who", "from_where", "deed", "kind", "what", "all_changes")

    class Media:
        css = {"all": ["runs/runs.css"]}

    # --- what may be seen -------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return audit_entries(actor_of(request))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = {"show_history": False, **(extra_context or {})}  # it is history
        return super().changeform_view(request, object_id, form_url, context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        return entries_with_words(queryset, search_term), False

    # --- one entry --------------------------------------------------------------------------------------

    @admin.display(description="when", ordering="id")
    def moment(self, entry: AuditEntry) -> str:
        return when(entry.at)

    @admin.display(description="who")
    def who(self, entry: AuditEntry) -> SafeString | str:
        if entry.token is None:
            return entry.actor_name
        return format_html('<span title="{}">{}</span>', f"{entry.token.prefix}…", entry.actor_name)

    @admin.display(description="from")
    def from_where(self, entry: AuditEntry) -> str:
        return entry.address or EMPTY

    @admin.display(description="did")
    def deed(self, entry: AuditEntry) -> SafeString | str:
        if entry.opened:
            return badge(entry.action, "warn", "Personal data was shown or handed out.")
        return entry.action

    @admin.display(description="kind of thing")
    def kind(self, entry: AuditEntry) -> str:
        return _kinds().get(entry.object_type, entry.object_type) or EMPTY

    @admin.display(description="what")
    def what(self, entry: AuditEntry) -> SafeString | str:
        name = entry.object_name or entry.object_id
        if not name:
            return EMPTY
        address = _address(entry)
        kind = _kinds().get(entry.object_type, entry.object_type)
        return link(address, name, kind) if address else format_html('<span title="{}">{}</span>', kind, name)

    @admin.display(description="changes")
    def changed(self, entry: AuditEntry) -> str:
        text = "; ".join(_sentence(*row) for row in _rows(entry.changes))
        return (text if len(text) <= SHOWN else text[: SHOWN - 1] + "…") or EMPTY

    @admin.display(description="changes")
    def all_changes(self, entry: AuditEntry) -> SafeString | str:
        rows = list(_rows(entry.changes))
        if not rows:
            return EMPTY
        lines = format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)
        head = format_html("<tr><th></th><th>{}</th><th>{}</th></tr>", "before", "after")
        return format_html('<table class="ws-lines audit-changes">{}{}</table>', head, lines)

    # --- the file ---------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="projects_auditentry_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        export = f"{self.url_of('export')}?{request.GET.urlencode()}"
        context = {"export_url": export, "most_exported": f"{MOST_ROWS:,}", **(extra_context or {})}
        return super().changelist_view(request, context)

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """What the list shows with its filters, all pages, as CSV."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponse(
                "These filters are none of this list’s.", status=400, content_type="text/plain"
            )
        chunks = audit_export(
            rows=rows, projects=self.concerned(request), by=actor_of(request), filters=request.GET.dict()
        )
        answer = StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y%m%d-%H%M}.csv"'
        answer["Cache-Control"] = "no-store"
        return answer  # type: ignore[return-value]  # both are answers to Django

    def concerned(self, request: HttpRequest) -> list[Project | None]:
        """In whose audit an export shall stand; None: in that of the installation."""
        chosen, actor = current_project(request), actor_of(request)
        if chosen is not None:
            return [chosen]
        if actor.is_superuser:
            return [None]
        return [project for project in projects_of(request) if actor.may(project, Role.ADMIN)]


@cache
def _kinds() -> dict[str, str]:
    """Names of models as people read them."""
    return {model._meta.model_name or "": str(model._meta.verbose_name) for model in admin.site._registry}


@cache
def _pages() -> dict[str, str]:
    """Model name -> the name of the address of its page."""
    return {
        model._meta.model_name or "": f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        for model in admin.site._registry
    }


def _address(entry: AuditEntry) -> str:
    """The page of the thing, where there is one; it may be gone by now."""
    name = _pages().get(entry.object_type)
    if name is None or not entry.object_id:
        return ""
    try:
        return reverse(name, args=[entry.object_id])
    except NoReverseMatch:
        return ""


def _rows(changes: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """(name, before, after); what only happened has no before."""
    for name, value in changes.items():
        full = f"{above}{name}"
        if isinstance(value, dict) and value:
            yield from _rows(value, f"{full}: ")
        elif isinstance(value, list) and len(value) == 2:
            yield full, _word(value[0]), _word(value[1])
        else:
            yield full, "", _word(value)


def _sentence(name: str, before: str, after: str) -> str:
    return f"{name}: {before} → {after}" if before else f"{name}: {after}"


def _word(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
