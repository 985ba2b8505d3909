"""API tokens: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge, when
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import ApiToken, Role, Scope
from openfn_platform.projects.tokens import token_create, token_revoke


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[Scope.READ],
        label="It may",
        help_text="Give as little as the program needs. With “deploy” you hand on a right of administrators: it makes "
        "and replaces credentials and inbox keys, and changes who belongs to the project, below owners. It never reads "
        "a secret, never makes an owner, and never touches tokens.",
    )

    class Meta:
        model = ApiToken
        fields = ("project", "name", "scopes", "expires_at")
        help_texts = {
            "name": "Which program uses it, for example “monthly report”.",
            "expires_at": "Empty: never.",
        }


def _revoke(request: HttpRequest, token: ApiToken, _values: dict[str, Any]) -> str:
    token_revoke(token=token, by=actor_of(request))
    return f"Nobody gets in with “{token.name}” any more."


@admin.register(ApiToken)
class ApiTokenAdmin(ScopedAdmin):
    empty = "A token lets a program use the API. It is shown once, and may do only what you tick."
    roles = {"view": Role.ADMIN, "add": Role.ADMIN}
    list_display = ("name", "shown_prefix", "state", "scopes_in_words", "used", "expires")
    list_select_related = ("project",)
    search_fields = ("name", "prefix")
    ordering = ("revoked_at", "name")
    fields = ("project", "name", "scopes", "expires_at")
    form = TokenForm
    deeds = (
        Deed(
            name="revoke",
            label="Revoke",
            role=Role.ADMIN,
            do=_revoke,
            applies=lambda token: token.revoked_at is None,
            ask="Programs that use this token are refused from now on. This cannot be undone.",
            tone="danger",
            icon="block",
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        shown = ("project", "name", "shown_prefix", "state", "scopes_in_words")
        return [(None, {"fields": (*shown, "expires", "used", "created_by")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return ("shown_prefix", "state", "scopes_in_words", "expires", "used", "created_by")

    @admin.display(description="begins with", ordering="prefix")
    def shown_prefix(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return badge("Revoked", "bad")
        if token.expires_at is not None and token.expires_at <= timezone.now():
            return badge("Expired", "warn")
        return badge("Valid", "good")

    @admin.display(description="may")
    def scopes_in_words(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, token: ApiToken) -> str:
        return when(token.last_used_at, "never")

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, token: ApiToken) -> str:
        return when(token.expires_at, "never")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        token, plaintext = token_create(
            project=given["project"],
            name=given["name"],
            scopes=given["scopes"],
            expires_at=given["expires_at"],
            by=actor_of(request),
        )
        obj.__dict__.update(token.__dict__)
        request.plaintext = plaintext  # type: ignore[attr-defined]  # kept nowhere else, shown by `response_add`

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        secret: str = request.plaintext  # type: ignore[attr-defined]  # set just before
        return self.secret_page(
            request,
            obj,
            title=f"API token “{obj.name}”",
            secret=secret,
            explanation="Programs send it with every request, in the header Authorization.",
            example=f'curl -H "Authorization: Bearer …" {settings.PUBLIC_URL}/api/v1/runs',
        )
