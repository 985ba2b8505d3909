"""People: everybody who can log in. Only for those who run the installation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import EMPTY, badge, when
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role, User
from openfn_platform.projects.people import person_change, person_create, person_password_set, person_switch
from openfn_platform.projects.second_factors import factor_reset, has_factor
from openfn_platform.projects.sessions import sessions_end

PASSWORD_HELP = "At least 12 characters; a few words in a row are good."  # noqa: S105 - a sentence, not a password


def _password() -> forms.CharField:
    return forms.CharField(
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=PASSWORD_HELP,
    )


class PasswordForm(forms.Form):
    password = _password()


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    class Meta:
        model = User
        fields = ("email", "name", "time_zone", "is_superuser")
        labels = {"is_superuser": "runs the installation"}
        help_texts = {
            "is_superuser": "Sees and may do everything in every project.",
            "time_zone": "In which times are shown, for example Africa/Nairobi.",
        }
        widgets = {"is_superuser": UnfoldBooleanSwitchWidget}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class NewPersonForm(PersonForm):
    password = _password()


def _switch(active: bool) -> Any:
    def do(request: HttpRequest, person: User, _values: dict[str, Any]) -> str:
        person_switch(person=person, active=active, by=actor_of(request))
        return f"{person} can log in again." if active else f"{person} can no longer log in."

    return do


def _set_password(request: HttpRequest, person: User, values: dict[str, Any]) -> str:
    person_password_set(person=person, password=values["password"], by=actor_of(request))
    return f"{person} has a new password."


def _reset_factor(request: HttpRequest, person: User, _values: dict[str, Any]) -> str:
    factor_reset(person=person, by=actor_of(request))
    return f"{person} has no second factor any more, was logged out everywhere, and got a mail about it."


def _log_out(request: HttpRequest, person: User, _values: dict[str, Any]) -> str:
    count = sessions_end(person=person, by=actor_of(request), why="wanted by an administrator")
    return f"{person} is logged out everywhere ({plural(count, 'session')})."


@admin.register(User)
class UserAdmin(ScopedAdmin):
    superusers_only = True
    roles = {"view": Role.OWNER, "add": Role.OWNER, "change": Role.OWNER}
    list_display = ("email", "name", "active", "rights", "projects", "seen")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    deeds = (
        Deed(
            name="set-password",
            label="Set password",
            role=Role.OWNER,
            do=_set_password,
            form=PasswordForm,
            icon="password",
        ),
        Deed(
            name="log-out",
            label="Log out everywhere",
            role=Role.OWNER,
            do=_log_out,
            applies=lambda person: person.sessions.exists(),
            icon="logout",
        ),
        Deed(
            name="reset-second-factor",
            label="Reset second factor",
            role=Role.OWNER,
            do=_reset_factor,
            applies=has_factor,
            ask="Only if it was lost, and you are sure who asks: whoever knows the password gets in with it alone. "
            "The person is told by mail.",
            tone="danger",
            icon="phonelink_erase",
        ),
        Deed(
            name="switch-off",
            label="Switch off",
            role=Role.OWNER,
            do=_switch(False),
            applies=lambda person: person.is_active,
            ask="They can no longer log in. What they did stays recorded under their name.",
            tone="danger",
            icon="person_off",
        ),
        Deed(
            name="switch-on",
            label="Switch on",
            role=Role.OWNER,
            do=_switch(True),
            applies=lambda person: not person.is_active,
            icon="person_check",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("memberships__project")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, form=PersonForm if obj else NewPersonForm, **kwargs)

    @admin.display(description="can log in", ordering="is_active")
    def active(self, person: User) -> str:
        return badge("Yes", "good") if person.is_active else badge("Switched off")

    @admin.display(description="last log-in", ordering="last_login")
    def seen(self, person: User) -> str:
        return when(person.last_login, "never")

    @admin.display(description="rights")
    def rights(self, person: User) -> str:
        return badge("Runs the installation", "busy") if person.is_superuser else EMPTY

    @admin.display(description="projects")
    def projects(self, person: User) -> str:
        memberships = list(person.memberships.all())
        return ", ".join(f"{each.project.name} ({each.role})" for each in memberships) or EMPTY

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        by = actor_of(request)
        if change:
            person_change(person=User.objects.get(pk=obj.pk), by=by, **form.cleaned_data)
        else:
            obj.__dict__.update(person_create(by=by, **form.cleaned_data).__dict__)
