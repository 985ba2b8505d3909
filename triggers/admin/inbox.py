"""Inboxes: addresses that partner systems post to, their keys, and what was refused there."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from triggers.admin import howto
from triggers.admin.inbox_auth import auth_deeds, auth_rows, revoke_view
from triggers.admin.inbox_settings import FIELDSETS, fields_adapt, modes_of, modes_told
from triggers.admin.refusals import reasons, refusals_view
from triggers.admin.would_match import would_match_view
from triggers.inboxes import inbox_archive, inbox_change, inbox_create
from triggers.models import Inbox, Trigger, TriggerKind
from triggers.models.inbox import AuthKind, InboxAccess

HOURS = 24


def _archive(request: HttpRequest, inbox: Inbox, _values: dict[str, Any]) -> HttpResponse:
    inbox_archive(inbox=inbox, by=actor_of(request))
    messages.success(request, f"“{inbox.name}” was put away: its address answers nobody any more.")
    return HttpResponseRedirect(reverse("admin:triggers_inbox_changelist"))


def _switch(enabled: bool) -> Any:
    def do(request: HttpRequest, inbox: Inbox, _values: dict[str, Any]) -> str:
        inbox_change(inbox=inbox, by=actor_of(request), enabled=enabled)
        return f"“{inbox.name}” is {'on' if enabled else 'off: messages are refused'}."

    return do


@admin.register(Inbox)
class InboxAdmin(ScopedAdmin):
    empty = "An inbox is the address at which partner systems post their messages."
    roles = {"view": Role.VIEWER, "add": Role.ADMIN, "change": Role.ADMIN}
    list_display = ("name", "of", "state", "access_badge", "keys", "refused")
    list_select_related = ("project", "trigger")
    list_filter = ("enabled", "access")
    search_fields = ("name", "address")
    ordering = ("name",)
    list_before_template = "workspace/inbox_list.html"
    change_form_outer_after_template = "workspace/inbox.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: QuerySet[Inbox] = super().get_queryset(request)
        return rows.filter(archived_at=None).select_related("project", "trigger")

    def narrowed_plainly(self, request: HttpRequest) -> QuerySet[Inbox]:
        """The inboxes of the current project, or of all that the person belongs to, without what lists need."""
        rows: QuerySet[Inbox] = super().narrowed(request, self.get_queryset(request))
        return rows

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows: QuerySet[Any] = super().narrowed(request, queryset)
        day_ago = timezone.now() - timedelta(hours=HOURS)
        return rows.prefetch_related("auths").annotate(
            refused_lately=Sum("refusal_counts__count", filter=Q(refusal_counts__hour__gte=day_ago))
        )

    @admin.display(description="feeds")
    def of(self, inbox: Inbox) -> str:
        return f"only “{inbox.trigger.name}”" if inbox.trigger else "all message triggers"

    @admin.display(description="state", ordering="enabled")
    def state(self, inbox: Inbox) -> str:
        return badge("On", "good") if inbox.enabled else badge("Off")

    @admin.display(description="opened by", ordering="access")
    def access_badge(self, inbox: Inbox) -> str:
        if inbox.access == InboxAccess.NONE:
            return badge("Anybody", "warn", "Anybody who knows the address can send messages.")
        kinds = {AuthKind(auth.kind): auth for auth in inbox.auths.all() if auth.revoked_at is None}
        names = ", ".join(kind.label for kind in AuthKind if kind in kinds)
        return (
            badge(names)
            if names
            else badge("Nobody yet", "warn", "Add a key, a password or a signing secret.")
        )

    @admin.display(description="keys")
    def keys(self, inbox: Inbox) -> int:
        return sum(1 for key in inbox.auths.all() if key.revoked_at is None)

    @admin.display(description="refused in 24 h")
    def refused(self, inbox: Any) -> int:
        return inbox.refused_lately or 0

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        first = ("name", "access", "duplicate_path")
        return ((None, {"fields": first if obj else ("trigger", *first)}), *FIELDSETS)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        fields_adapt(form.base_fields)
        field = form.base_fields.get("trigger") if obj is None else None
        if field is not None:
            projects = self.projects_for(request, Role.ADMIN)
            field.queryset = Trigger.objects.filter(
                project__in=projects, kind=TriggerKind.MESSAGE, archived_at=None
            ).order_by("name", "pk")
            field.required = True
            field.help_text = (
                "Every project has an inbox for all its triggers; another one is for one trigger."
            )
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given, by = form.cleaned_data, actor_of(request)
        values = {
            "name": given["name"],
            "access": InboxAccess(given["access"]),
            "duplicate_path": given["duplicate_path"],
            **modes_of(form),
        }
        if change:
            inbox_change(inbox=Inbox.objects.get(pk=obj.pk), by=by, **values)
        else:
            trigger = given["trigger"]
            made = inbox_create(project=trigger.project, trigger=trigger, by=by, **values)
            obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(
            request,
            f"“{obj.name}” is there. Add a key, a password or a signing secret, then give it to the sender with the "
            "address.",
        )
        return HttpResponseRedirect(self.url_of("change", obj.pk))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        inbox = kwargs.get("obj")
        if inbox is not None:
            context |= surroundings(inbox) | {"may_change": self.may(request, Role.ADMIN, inbox)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(partial(revoke_view, self))
        refusals = self.admin_site.admin_view(partial(refusals_view, self))
        trying = self.admin_site.admin_view(partial(would_match_view, self))
        return [
            path("refusals/", refusals, name="triggers_inbox_refusals"),
            path("<path:object_id>/refusals/", refusals, name="triggers_inbox_refusals_of"),
            path("<path:object_id>/keys/<uuid:key_id>/revoke/", revoke, name="triggers_inbox_key_revoke"),
            path("<path:object_id>/would-match/", trying, name="triggers_inbox_would_match"),
            *super().get_urls(),
        ]

    @property
    def deeds(self) -> tuple[Deed, ...]:  # type: ignore[override]  # one of them needs the page itself
        return (
            *auth_deeds(self),
            Deed(
                name="switch-on",
                label="Switch on",
                role=Role.ADMIN,
                do=_switch(True),
                applies=lambda inbox: not inbox.enabled,
                icon="power_settings_new",
            ),
            Deed(
                name="switch-off",
                label="Switch off",
                role=Role.ADMIN,
                do=_switch(False),
                applies=lambda inbox: inbox.enabled,
                ask="Messages are refused until it is switched on again; what is refused is not kept.",
                icon="power_off",
            ),
            Deed(
                name="archive",
                label="Archive",
                role=Role.ADMIN,
                do=_archive,
                ask="Its address answers nobody any more, for good. The messages are kept.",
                tone="danger",
                icon="archive",
            ),
        )


def surroundings(inbox: Inbox) -> dict[str, Any]:
    """Its address, what opens it, and its refusals."""
    rows = auth_rows(inbox)
    valid = [row["auth"] for row in rows if row["state"] == "valid"]
    user = next((auth.username for auth in valid if auth.kind == AuthKind.BASIC), "")
    return {
        "address": howto.address_of(inbox),
        "open_to_all": inbox.access == InboxAccess.NONE,
        "examples": howto.examples(inbox, {auth.kind for auth in valid}, user),
        "auth_rows": rows,
        "reasons": reasons(Inbox.objects.filter(pk=inbox.pk), hours=HOURS),
        "modes_told": modes_told(inbox),
    }
