"""Members: who belongs to a project, and what they may do there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminEmailInputWidget

from openfn_platform.common.errors import Invalid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.membering import member_add, member_change, member_remove
from openfn_platform.projects.models import Membership, Role, User


class NewMemberForm(forms.ModelForm):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    email = forms.EmailField(
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="With which the person logs in here.",
    )

    class Meta:
        model = Membership
        fields = ("project", "role", "may_see_data", "failure_mail")

    field_order = ("project", "email", "role", "may_see_data", "failure_mail")


def _remove(request: HttpRequest, membership: Membership, _values: dict[str, Any]) -> HttpResponse:
    member_remove(membership=membership, by=actor_of(request))
    messages.success(request, f"{membership.user} no longer belongs to {membership.project}.")
    return HttpResponseRedirect(reverse("admin:projects_membership_changelist"))


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    roles = {"view": Role.VIEWER, "add": Role.ADMIN, "change": Role.ADMIN}
    list_display = ("person", "role_badge", "sees_data", "gets_mail", "since")
    list_select_related = ("user", "project")
    list_filter = ("role", "may_see_data", "failure_mail")
    search_fields = ("user__email", "user__name")
    ordering = ("user__email",)
    fields = ("role", "may_see_data", "failure_mail")
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

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs.update(form=NewMemberForm, fields=("project", "role", "may_see_data", "failure_mail"))
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": NewMemberForm.field_order})]
        return super().get_fieldsets(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        by, given = actor_of(request), form.cleaned_data
        chosen = {
            "role": Role(given["role"]),
            "may_see_data": given["may_see_data"],
            "failure_mail": given["failure_mail"],
        }
        if change:
            member_change(membership=Membership.objects.get(pk=obj.pk), by=by, **chosen)
            return
        person = User.objects.filter(email=given["email"].lower(), is_active=True).first()
        if person is None:
            raise Invalid(
                "Nobody with that address can log in here yet; whoever runs this installation can add them.",
                field="email",
            )
        obj.__dict__.update(member_add(project=given["project"], user=person, by=by, **chosen).__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"{obj.user} belongs to {obj.project} now.")
        return HttpResponseRedirect(reverse("admin:projects_membership_changelist"))
