"""Members: who belongs to a project, and what they may do there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.admin.invitation import open_invitations
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.membering import member_change, member_remove
from openfn_platform.projects.models import Membership, Role
from openfn_platform.projects.second_factors import factor_reset, has_factor


def _remove(request: HttpRequest, membership: Membership, _values: dict[str, Any]) -> HttpResponse:
    member_remove(membership=membership, by=actor_of(request))
    messages.success(request, f"{membership.user} no longer belongs to {membership.project}.")
    return HttpResponseRedirect(reverse("admin:projects_membership_changelist"))


def _reset_factor(request: HttpRequest, membership: Membership, _values: dict[str, Any]) -> str:
    factor_reset(person=membership.user, by=actor_of(request))
    return f"{membership.user} has no second factor any more, was logged out everywhere, and got a mail about it."


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    empty = "Nobody works in this project yet. Invite someone, and they stand here once they accept."
    roles = {"view": Role.VIEWER, "add": Role.ADMIN, "change": Role.ADMIN}
    list_display = ("person", "role_badge", "sees_data", "gets_mail", "since")
    list_select_related = ("user", "project")
    list_filter = ("role", "may_see_data", "failure_mail")
    search_fields = ("user__email", "user__name")
    ordering = ("user__email",)
    fields = ("role", "may_see_data", "failure_mail")
    list_before_template = "workspace/accounts/invitations.html"
    deeds = (
        Deed(
            name="remove",
            label="Remove from project",
            role=Role.ADMIN,
            do=_remove,
            ask=lambda membership: f"{membership.user} will no longer find anything of {membership.project}.",
            tone="danger",
            icon="person_remove",
        ),
        Deed(
            name="reset-second-factor",
            label="Reset second factor",
            role=Role.OWNER,
            do=_reset_factor,
            applies=lambda membership: has_factor(membership.user),
            ask="Only if it was lost, and you are sure who asks: whoever knows the password gets in with it alone. "
            "The person is told by mail.",
            tone="danger",
            icon="phonelink_erase",
        ),
    )

    @admin.display(description="person", ordering="user__email")
    def person(self, membership: Membership) -> str:
        user = membership.user
        return f"{user.name} · {user.email}" if user.name else user.email

    @admin.display(description="role", ordering="role")
    def role_badge(self, membership: Membership) -> str:
        word, _, meaning = str(Role(membership.role).label).partition(": ")
        return badge(word, "busy" if membership.role in (Role.ADMIN, Role.OWNER) else "plain", meaning)

    @admin.display(description="sees data", boolean=True, ordering="may_see_data")
    def sees_data(self, membership: Membership) -> bool:
        return membership.may_see_data

    @admin.display(description="mail on failure", boolean=True, ordering="failure_mail")
    def gets_mail(self, membership: Membership) -> bool:
        return membership.failure_mail

    @admin.display(description="since", ordering="created_at")
    def since(self, membership: Membership) -> str:
        return when(membership.created_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        member_change(
            membership=Membership.objects.get(pk=obj.pk),
            by=actor_of(request),
            role=Role(given["role"]),
            may_see_data=given["may_see_data"],
            failure_mail=given["failure_mail"],
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Nobody is added: people are invited, and come in when they accept."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:projects_invitation_add"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        waiting = open_invitations(request) if self.may(request, Role.ADMIN) else []
        return super().changelist_view(request, {**(extra_context or {}), "invitations": waiting})
