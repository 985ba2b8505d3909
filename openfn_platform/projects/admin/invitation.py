"""Invitations: made, shown with their link this once, sent again, taken back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminEmailInputWidget

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.current import current_project
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.inviting import invitation_make, invitation_renew, invitation_revoke
from openfn_platform.projects.models import Invitation, Role
from openfn_platform.projects.scoping import scoped

EXPLANATION = "The link was mailed. You may also hand it over yourself: it works once, for seven days, and only for this person."
SHOWN = 20


def is_open(invitation: Invitation) -> bool:
    return invitation.accepted_at is None and invitation.revoked_at is None


def open_invitations(request: HttpRequest) -> list[Invitation]:
    """Those that wait for an answer, where the person may decide about them."""
    actor, project = actor_of(request), current_project(request)
    rows = scoped(Invitation.objects.filter(accepted_at=None, revoked_at=None), actor)
    rows = rows.filter(project=project) if project else rows
    found = rows.select_related("project", "invited_by")[:SHOWN]
    return [each for each in found if actor.may(each.project_id, Role.ADMIN)]


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    class Meta:
        model = Invitation
        fields = ("project", "email", "role", "may_see_data", "failure_mail")
        labels = {"failure_mail": "Mail on failure"}
        help_texts = {
            "email": "The invitation goes there, and the person logs in with it.",
            "may_see_data": "Bodies of messages, states, traces and logs: personal data of patients.",
            "failure_mail": "A mail when something fails, and when it is well again.",
        }
        widgets = {"email": UnfoldAdminEmailInputWidget}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


def _again(request: HttpRequest, invitation: Invitation, _values: dict[str, Any]) -> HttpResponse:
    url = invitation_renew(invitation=invitation, by=actor_of(request))
    page: HttpResponse = admin.site._registry[Invitation].link_page(request, invitation, url)  # type: ignore[attr-defined]  # ours
    return page


def _revoke(request: HttpRequest, invitation: Invitation, _values: dict[str, Any]) -> HttpResponse:
    invitation_revoke(invitation=invitation, by=actor_of(request))
    messages.success(
        request, f"The invitation of {invitation.email} is taken back; its link opens nothing any more."
    )
    return HttpResponseRedirect(reverse("admin:projects_membership_changelist"))


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin):
    empty = "Invite the people who are to work in this project; each gets a mail with a link."
    roles = {"view": Role.ADMIN, "add": Role.ADMIN}
    form = InvitationForm
    list_display = ("email", "role_word", "state", "by", "sent", "expires")
    list_select_related = ("project", "invited_by")
    search_fields = ("email",)
    deeds = (
        Deed(
            name="send-again",
            label="Send again",
            role=Role.ADMIN,
            do=_again,
            applies=is_open,
            ask="The person gets a new link for seven days; the old one no longer works.",
            icon="forward_to_inbox",
        ),
        Deed(
            name="revoke",
            label="Take back",
            role=Role.ADMIN,
            do=_revoke,
            applies=is_open,
            ask=lambda invitation: f"The link of {invitation.email} will open nothing any more.",
            tone="danger",
            icon="cancel_schedule_send",
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        shown = ("project", "email", "role_word", "may_see_data", "failure_mail")
        return [(None, {"fields": (*shown, "state", "by", "sent", "expires")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("role_word", "state", "by", "sent", "expires")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("project", "invited_by")

    @admin.display(description="role", ordering="role")
    def role_word(self, invitation: Invitation) -> str:
        word, _, meaning = str(Role(invitation.role).label).partition(": ")
        return badge(word, "plain", meaning)

    @admin.display(description="state")
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_at is not None:
            return badge("Accepted", "good")
        if invitation.revoked_at is not None:
            return badge("Taken back")
        return (
            badge("Waiting", "busy") if invitation.expires_at > timezone.now() else badge("Expired", "warn")
        )

    @admin.display(description="invited by")
    def by(self, invitation: Invitation) -> str:
        return str(invitation.invited_by or "–")

    @admin.display(description="sent", ordering="sent_at")
    def sent(self, invitation: Invitation) -> str:
        return when(invitation.sent_at)

    @admin.display(description="good until", ordering="expires_at")
    def expires(self, invitation: Invitation) -> str:
        return when(invitation.expires_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made, url = invitation_make(
            project=given["project"],
            email=given["email"],
            role=Role(given["role"]),
            may_see_data=given["may_see_data"],
            failure_mail=given["failure_mail"],
            by=actor_of(request),
        )
        obj.__dict__.update(made.__dict__)
        request.link = url  # type: ignore[attr-defined]  # kept nowhere else, shown by `response_add`

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return self.link_page(request, obj, request.link)  # type: ignore[attr-defined]  # set just before

    def link_page(self, request: HttpRequest, invitation: Invitation, url: str) -> HttpResponse:
        return self.secret_page(
            request, invitation, title=f"{invitation.email} is invited", secret=url, explanation=EXPLANATION
        )
