"""The library: the list of modules, making one, putting one away (the page of one is in librarypage/)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from jobs.library import module_archive, module_create
from jobs.models import LibraryModule
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import EMPTY
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.workspace.librarypage.page import (
    module_check_view,
    module_names_view,
    module_page,
    module_versions_view,
)


def _archive(request: HttpRequest, module: LibraryModule, _values: dict[str, Any]) -> HttpResponse:
    module_archive(module=module, by=actor_of(request))
    messages.success(request, f"“{module.name}” was put away.")
    return HttpResponseRedirect(reverse("admin:jobs_librarymodule_changelist"))


@admin.register(LibraryModule)
class LibraryModuleAdmin(ScopedAdmin):
    empty = "Functions that several jobs need stand here once; jobs import them by the module's name."
    roles = {"view": Role.VIEWER, "add": Role.EDITOR, "change": Role.EDITOR}
    list_display = ("name", "in_code", "live", "description")
    list_select_related = ("project", "live_version", "latest_version")
    search_fields = ("name", "key", "description")
    search_help_text = "Name or key"
    ordering = ("key",)
    deeds = (
        Deed(
            name="archive",
            label="Archive",
            role=Role.EDITOR,
            do=_archive,
            ask="New code cannot use it any more. Its versions are kept, for runs that are retried as they were.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: QuerySet[LibraryModule] = super().get_queryset(request)
        return rows.filter(archived_at=None).select_related("project", "live_version", "latest_version")

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        heavy = ("code", "findings")
        left_out = [f"{version}__{name}" for version in ("live_version", "latest_version") for name in heavy]
        rows: QuerySet[Any] = super().narrowed(request, queryset)
        return rows.defer(*left_out)

    @admin.display(description="in code", ordering="key")
    def in_code(self, module: LibraryModule) -> str:
        return f"library.{module.key}"

    @admin.display(description="version")
    def live(self, module: LibraryModule) -> str:
        live, latest = module.live_version, module.latest_version
        if latest is None:
            return EMPTY
        if live is None:
            return f"v{latest.number} has errors"
        return f"v{live.number}" + (f"; v{latest.number} has errors" if latest.number > live.number else "")

    def get_urls(self) -> list[URLPattern]:
        pages = (
            ("check", module_check_view),
            ("names", module_names_view),
            ("versions", module_versions_view),
        )
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(partial(view, self)),
                name=f"jobs_librarymodule_{name}",
            )
            for name, view in pages
        ]
        return own + super().get_urls()

    # --- making one -------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("project", "key", "name", "description")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made = module_create(
            project=given["project"],
            key=given["key"],
            name=given["name"],
            description=given["description"],
            by=actor_of(request),
        )
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"“{obj.name}” is there. Write its code, then save it.")
        return HttpResponseRedirect(self.url_of("change", obj.pk))

    # --- its page ---------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return module_page(self, request, self.object_or_404(request, object_id))
