"""Projects: their settings, and the switch between them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge
from openfn_platform.projects.current import SESSION_KEY, choose_project
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.founding import project_archive, project_change, project_create
from openfn_platform.projects.models import Project, Role

SETTINGS = (
    "name",
    "description",
    "environment",
    "time_zone",
    "max_concurrency",
    "max_waiting",
    "messages_per_minute",
    "messages_burst",
    "max_body_bytes",
    "mail_shows_text",
    "keeps_payloads",
    "allowed_hosts",
    "mfa_required",
)

LABELS = {
    "max_concurrency": "Runs at once",
    "max_waiting": "Runs waiting at most",
    "messages_per_minute": "Messages a minute at most",
    "messages_burst": "Of these at once",
    "max_body_bytes": "Largest message",
    "keeps_payloads": "Keep messages and states",
    "mail_shows_text": "Mails quote the error’s text",
}


def _archive(request: HttpRequest, project: Project, _values: dict[str, Any]) -> HttpResponse:
    project_archive(project=project, by=actor_of(request))
    request.session.pop(SESSION_KEY, None)
    messages.success(request, f"“{project.name}” was put away. Nothing of it runs any more.")
    return HttpResponseRedirect(reverse("admin:projects_project_changelist"))


@admin.register(Project)
class ProjectAdmin(ScopedAdmin):
    empty = "A project holds the workflows, connections and people of one programme."
    project_path = "pk"
    roles = {"view": Role.VIEWER, "change": Role.ADMIN}
    list_display = ("name", "key", "environment_badge", "time_zone", "kept")
    search_fields = ("name", "key")
    fieldsets = (
        (None, {"fields": ("name", "description", "time_zone", "environment")}),
        (
            "Limits",
            {
                "fields": (
                    "max_concurrency",
                    "max_waiting",
                    "messages_per_minute",
                    "messages_burst",
                    "max_body_bytes",
                )
            },
        ),
        # How long what is kept is changed on the page of retention: it asks before anything goes.
        ("Personal data", {"fields": ("keeps_payloads", "mail_shows_text")}),
        ("Log-ins", {"fields": ("mfa_required",)}),
        ("Network", {"fields": ("allowed_hosts",)}),
    )
    deeds = (
        Deed(
            name="archive",
            label="Archive project",
            role=Role.OWNER,
            do=_archive,
            ask="Nothing of this project will run or be received any more. Its history is kept.",
            tone="danger",
            icon="archive",
        ),
    )

    @admin.display(description="environment", ordering="environment")
    def environment_badge(self, project: Project) -> str:
        return badge(project.environment, "plain" if project.environment == "main" else "warn")

    @admin.display(description="kept")
    def kept(self, project: Project) -> str:
        if not project.keeps_payloads:
            return f"no bodies, history {project.history_days}"
        return f"bodies {project.payload_days} days, history {project.history_days}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).is_superuser

    def get_urls(self) -> list[URLPattern]:
        switch = path("switch/", self.admin_site.admin_view(self.switch_view), name="projects_project_switch")
        return [switch, *super().get_urls()]

    def switch_view(self, request: HttpRequest) -> HttpResponse:
        """Choose the project that lists show, and go on where one was. It changes nothing but one's own view."""
        if not choose_project(request, request.GET.get("project", "")):
            raise Http404
        wanted = request.GET.get("next", "")
        known = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
        return HttpResponseRedirect(wanted if known else reverse("admin:index"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        for name, label in LABELS.items():
            if name in form.base_fields:
                form.base_fields[name].label = label
        if "allowed_hosts" in form.base_fields:
            form.base_fields["allowed_hosts"].help_text += " Separate them by commas."
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in SETTINGS if name in form.cleaned_data}
        by = actor_of(request)
        if change:
            # As it was: the form has already put the new values on `obj`.
            project_change(project=Project.objects.get(pk=obj.pk), by=by, **values)
        else:
            made = project_create(by=by, **values)
            obj.__dict__.update(made.__dict__)
            request.session[SESSION_KEY] = str(made.pk)
