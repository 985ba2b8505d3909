"""The next five firings in words and times, while somebody types the schedule."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.models import Role
from openfn_platform.workspace.triggerpage.forms import ScheduleForm
from openfn_platform.workspace.triggerpage.workflows import workflow_seen
from triggers.schedules import describe, slots_after

FIRINGS = 5


def preview_view(model_admin: Any, request: HttpRequest) -> HttpResponse:
    found = workflow_seen(request, request.GET.get("workflow", ""))
    if found is None:
        raise Http404
    if not model_admin.may(request, Role.VIEWER, found):
        raise PermissionDenied
    form = ScheduleForm(request.GET, workflow=found)
    form.is_valid()  # parts that are not finished yet are simply not there
    context: dict[str, Any] = {}
    try:
        schedule = form.schedule()
        context["words"] = describe(schedule)
        zone = ZoneInfo(schedule.tz)
        slots = slots_after(schedule, timezone.now(), FIRINGS)
        context["times"] = [f"{slot.astimezone(zone):%a %d %b %Y, %H:%M %Z}" for slot in slots]
    except PlatformError as error:
        context["problem"] = error.message
    return TemplateResponse(request, "workspace/preview.html", context)
