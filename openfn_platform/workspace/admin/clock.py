"""*Clock and workers*: django-celery-beat's two rows, the workers' heartbeats and the mail, for people to read."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.current import projects_of
from openfn_platform.workspace.pulse import pulse
from triggers.models import ClockRing


@admin.register(ClockRing)
class ClockAdmin(ScopedAdmin):
    """One page instead of a list: nothing here can be changed by hand."""

    def get_queryset(self, request: HttpRequest) -> Any:
        return ClockRing.objects.all()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Everybody who belongs somewhere: a silent clock concerns them all."""
        return bool(request.user.is_authenticated and (request.user.is_superuser or projects_of(request)))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.page_context(request, title="Clock and workers"),
            "opts": None,  # else the header would call it by the table's name
            "model_admin": None,
            "pulse": pulse(actor=actor_of(request)),
            "require_sandbox": settings.REQUIRE_SANDBOX,
        }
        return TemplateResponse(request, "workspace/clock.html", context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        raise Http404
