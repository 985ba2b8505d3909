"""Retention: how long each project keeps what, what has gone, and what goes next."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import current_project, projects_of
from openfn_platform.projects.models import Role
from runs.admin.pages import HistoryAdmin
from runs.models import Housekeeping
from runs.retention.changing import (
    LONGEST_DAYS,
    MOST_COUNTED,
    NotConfirmed,
    done,
    due,
    retention_change,
    would_go,
)

MOST_PROJECTS = 30


class DaysForm(forms.Form):
    payload_days = forms.IntegerField(
        label="Keep bodies for days",
        min_value=1,
        max_value=LONGEST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Bodies and headers of messages, states, logs, traces, sentences of errors, texts of mails.",
    )
    history_days = forms.IntegerField(
        label="Keep history for days",
        min_value=1,
        max_value=LONGEST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="That there was a message or a run, when, and how it ended.",
    )


@admin.register(Housekeeping)
class RetentionAdmin(HistoryAdmin):
    roles = {"view": Role.ADMIN}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        raise Http404  # rows of housekeeping have no pages

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<uuid:project_id>/days/",
            self.admin_site.admin_view(self.days_view),
            name="runs_housekeeping_days",
        )
        return [own, *super().get_urls()]

    # --- the list -------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if "project" in request.GET:
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        actor = actor_of(request)
        chosen = current_project(request)
        projects = [chosen] if chosen else projects_of(request)
        own = [project for project in projects if actor.may(project, Role.ADMIN)]
        context = {
            **self.page_context(request, title="Retention"),
            "opts": None,
            "model_admin": None,
            "kept": [
                {"project": each, "due": due(project=each), "done": done(project=each)}
                for each in own[:MOST_PROJECTS]
            ],
            "left_out": max(0, len(own) - MOST_PROJECTS),
            "most": MOST_COUNTED,
            "audit_days": settings.AUDIT_DAYS,
            "key_days": settings.IDEMPOTENCY_DAYS,
            "installation": done(project=None) if actor.is_superuser else [],
        }
        return TemplateResponse(request, "admin/runs/retention/page.html", context)

    # --- changing it ----------------------------------------------------------------------------------

    def days_view(self, request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
        """The days; where they are lowered, first what would go."""
        project = next((each for each in projects_of(request) if each.pk == project_id), None)
        if project is None:
            raise Http404
        if not actor_of(request).may(project, Role.ADMIN):
            raise PermissionDenied
        now = {"payload_days": project.payload_days, "history_days": project.history_days}
        form = DaysForm(request.POST if request.method == "POST" else None, initial=now)
        going: list[Any] = []
        if request.method == "POST" and form.is_valid():
            try:
                retention_change(
                    project=project,
                    confirmed=request.POST.get("confirmed") == "yes",
                    by=actor_of(request),
                    **form.cleaned_data,
                )
            except NotConfirmed:
                going = would_go(project=project, **form.cleaned_data)
            except PlatformError as error:
                field = error.context.get("field")
                form.add_error(field if isinstance(field, str) else None, error.message)
            else:
                messages.success(request, f"“{project.name}” keeps bodies and history for these days now.")
                return HttpResponseRedirect(reverse("admin:runs_housekeeping_changelist"))
        context = {
            **self.page_context(request, title=f"How long {project.name} keeps what"),
            "opts": None,
            "model_admin": None,
            "project": project,
            "form": form,
            "going": going,
            "most": MOST_COUNTED,
            "back": reverse("admin:runs_housekeeping_changelist"),
        }
        return TemplateResponse(request, "admin/runs/retention/days.html", context)
