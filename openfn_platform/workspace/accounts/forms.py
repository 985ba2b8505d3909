"""The forms of these pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from openfn_platform.projects.admin.user import PASSWORD_HELP
from openfn_platform.projects.models import User
from openfn_platform.projects.people import password_link_send


def password_field(label: str, *, new: bool) -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        max_length=4096,
        help_text=PASSWORD_HELP if new else "",
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password" if new else "current-password"}
        ),
    )


def code_field(**more: Any) -> forms.CharField:
    return forms.CharField(
        label="Code",
        max_length=20,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false", **more}
        ),
    )


class LoginForm(forms.Form):
    username = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "off",
                "inputmode": "email",
                "autofocus": True,
            }
        ),
    )
    password = password_field("Password", new=False)


class CodeForm(forms.Form):
    code = code_field(autofocus=True)


class ProofForm(forms.Form):
    """Who asks proves once more that it is them, before something that protects the account is changed."""

    password = password_field("Your password", new=False)
    code = code_field()

    def __init__(self, *args: Any, person: User, wants_code: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        if not person.has_usable_password():
            del self.fields["password"]
        if not wants_code:
            del self.fields["code"]


class NewPasswordForm(forms.Form):
    old = password_field("Your password now", new=False)
    new = password_field("New password", new=True)
    again = password_field("New password again", new=False)

    def __init__(self, *args: Any, asks_old: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["again"].widget.attrs["autocomplete"] = "new-password"
        if not asks_old:
            del self.fields["old"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("new") and given.get("again") and given["new"] != given["again"]:
            self.add_error("again", "The two are not the same.")
        return given


class AnswerForm(forms.Form):
    """What somebody new says who accepts an invitation."""

    name = forms.CharField(
        label="Your name", max_length=120, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "name"})
    )
    password = password_field("Password", new=True)


class ForgottenForm(PasswordResetForm):
    """Mails the link, to people who are known; the page says the same to everybody."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "E-mail address"
        self.fields["email"].widget = UnfoldAdminEmailInputWidget(attrs={"autocomplete": "email"})

    def save(self, *, public_url: str, **_: Any) -> None:  # type: ignore[override]  # of Django's we want the search alone
        for person in self.get_users(self.cleaned_data["email"].strip().lower()):
            key = urlsafe_base64_encode(force_bytes(person.pk))
            path = reverse("password_reset_confirm", args=[key, default_token_generator.make_token(person)])
            password_link_send(person=person, url=f"{public_url}{path}")
