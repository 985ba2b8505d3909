"""Locks: who tried to log in too often, from where, and the way to let them try again at once."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.projects.sessions import device_named
from openfn_platform.projects.throttling import lock_lift


def _lift(request: HttpRequest, attempt: AccessAttempt, _values: dict[str, Any]) -> HttpResponse:
    name = attempt.username
    lock_lift(attempt=attempt, by=actor_of(request))
    messages.success(request, f"{name} may try again.")
    return HttpResponseRedirect(reverse("admin:axes_accessattempt_changelist"))


@admin.register(AccessAttempt)
class LockAdmin(ScopedAdmin):
    empty = "Whoever types too many wrong passwords is kept out for a while, and stands here. Nobody is now."
    superusers_only = True
    roles = {"view": Role.OWNER}
    list_display = ("name", "ip_address", "tries", "state", "last", "device")
    search_fields = ("name", "ip_address")
    ordering = ("-attempt_time",)
    fields = ("username", "ip_address", "tries", "state", "last", "device")
    readonly_fields = fields
    deeds = (
        Deed(
            name="lift",
            label="Let them try again",
            role=Role.OWNER,
            do=_lift,
            icon="lock_open",
        ),
    )

    @admin.display(description="e-mail address", ordering="username")
    def name(self, attempt: AccessAttempt) -> str:
        return str(attempt.username or "–")

    @admin.display(description="device")
    def device(self, attempt: AccessAttempt) -> str:
        return device_named(attempt.user_agent)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Locked log-ins"})

    @admin.display(description="wrong tries", ordering="failures_since_start")
    def tries(self, attempt: AccessAttempt) -> int:
        return int(attempt.failures_since_start)

    @admin.display(description="state")
    def state(self, attempt: AccessAttempt) -> str:
        fresh = attempt.attempt_time + settings.AXES_COOLOFF_TIME > timezone.now()
        if fresh and attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT:
            return badge("Locked", "bad")
        return badge("May try")

    @admin.display(description="last try", ordering="attempt_time")
    def last(self, attempt: AccessAttempt) -> str:
        return when(attempt.attempt_time)
