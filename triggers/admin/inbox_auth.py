"""The forms and pages by which an inbox gets keys, passwords and signing secrets, and loses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.timesince import timesince
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from openfn_platform.common.crypto import CannotDecrypt
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.deeds import Answer, Deed
from openfn_platform.projects.models import Role
from triggers.admin import howto
from triggers.admitting import inbox_password_add, inbox_secret_add
from triggers.inboxes import inbox_key_add, inbox_key_revoke
from triggers.listening import secret_open
from triggers.models import Inbox, InboxAuth
from triggers.models.inbox import AuthKind

if TYPE_CHECKING:
    from triggers.admin.inbox import InboxAdmin

NOUNS = {AuthKind.KEY: "key", AuthKind.BASIC: "password", AuthKind.HMAC: "signature"}
_FINGERPRINT = "Copy it now: it is stored only as a fingerprint and cannot be shown again."
_ENCRYPTED = "Copy it now: it is stored encrypted, to check signatures with, and is not shown again."


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "CommCare forwarding"}),
        help_text="Who uses it, so that it can be told from the others.",
    )
    expires_at = forms.SplitDateTimeField(
        label="Expires",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Empty: never. To change over, add the new one, let the sender use it, then revoke the old one.",
    )


class PasswordForm(KeyForm):
    username = forms.CharField(
        label="User", max_length=100, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        required=False,
        max_length=200,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: a strong one is made and shown once. Fill it in only if the sender’s cannot be changed.",
    )
    field_order = ("name", "username", "password", "expires_at")


class SecretForm(KeyForm):
    secret = forms.CharField(
        label="Signing secret",
        required=False,
        max_length=800,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: one is made and shown once. If the sender makes it, paste it here: whsec_ and base64.",
    )
    field_order = ("name", "secret", "expires_at")


def auth_deeds(page: InboxAdmin) -> tuple[Deed, ...]:
    """The buttons that add one of each kind."""

    def key_add(request: HttpRequest, inbox: Inbox, values: dict[str, Any]) -> Answer:
        key, plaintext = inbox_key_add(inbox=inbox, by=actor_of(request), **values)
        return page.secret_page(
            request,
            inbox,
            title=f"Key “{key.name}”",
            secret=plaintext,
            explanation="The sender puts it into the header x-api-key of every message.",
            example=howto.curl(inbox, plaintext),
        )

    def password_add(request: HttpRequest, inbox: Inbox, values: dict[str, Any]) -> Answer:
        auth, password = inbox_password_add(inbox=inbox, by=actor_of(request), **values)
        if values["password"]:
            return f"“{auth.username}” may post by HTTP Basic with the password that you chose."
        return page.secret_page(
            request,
            inbox,
            title=f"Password “{auth.name}”",
            secret=password,
            explanation=f"The sender logs in by HTTP Basic, as the user {auth.username} with this password.",
            kept=_FINGERPRINT,
            example=howto.curl_basic(inbox, auth.username, password),
        )

    def secret_add(request: HttpRequest, inbox: Inbox, values: dict[str, Any]) -> Answer:
        auth, text = inbox_secret_add(inbox=inbox, by=actor_of(request), **values)
        if values["secret"]:
            return f"Messages that are signed with the secret of “{auth.name}” are taken."
        return page.secret_page(
            request,
            inbox,
            title=f"Signing secret “{auth.name}”",
            secret=text,
            explanation="The sender signs every message with it, by Standard Webhooks.",
            kept=_ENCRYPTED,
            example=howto.sign_in_python(inbox, text),
            second_example=howto.sign_in_shell(inbox, text),
        )

    return (
        Deed(
            name="add-key", label="Add key", role=Role.ADMIN, do=key_add, form=KeyForm, icon="key", tone="primary",
            hint="For senders that can set a header. The simplest.",
        ),
        Deed(
            name="add-password", label="Add password", role=Role.ADMIN, do=password_add, form=PasswordForm,
            icon="password", hint="For senders that know user and password only (HTTP Basic), such as OpenRosa apps.",
        ),
        Deed(
            name="add-secret", label="Add signing secret", role=Role.ADMIN, do=secret_add, form=SecretForm,
            icon="signature", hint="For senders that sign (Standard Webhooks): the secret never travels.",
        ),
    )  # fmt: skip


def auth_rows(inbox: Inbox) -> list[dict[str, Any]]:
    """What opens the inbox, and what did: the valid ones first."""
    now = timezone.now()
    rows = inbox.auths.prefetch_related("secrets").order_by("-created_at")
    found = [{"auth": auth, "state": _state(auth), "noun": NOUNS[AuthKind(auth.kind)]} for auth in rows]
    return sorted(found, key=lambda row: (row["auth"].revoked_at or now) < now)


def _state(auth: InboxAuth) -> str:
    if auth.revoked_at is not None:
        return "revoked"
    if auth.expires_at is not None and auth.expires_at <= timezone.now():
        return "expired"
    if auth.kind == AuthKind.HMAC and not _readable(auth):
        return "unreadable"
    return "valid"


def _readable(auth: InboxAuth) -> bool:
    try:
        return all(secret_open(row) for row in auth.secrets.all())
    except CannotDecrypt:
        return False


def revoke_view(model_admin: InboxAdmin, request: HttpRequest, object_id: str, key_id: Any) -> HttpResponse:
    inbox = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.ADMIN, inbox):
        raise PermissionDenied
    key = InboxAuth.objects.filter(pk=key_id, inbox=inbox).select_related("inbox", "project").first()
    if key is None:
        raise Http404
    back = HttpResponseRedirect(model_admin.url_of("change", inbox.pk))
    used = f"It was last used {timesince(key.last_used_at)} ago" if key.last_used_at else "It was never used"
    question = Deed(
        name="revoke",
        label=f"Revoke “{key.name}”",
        role=Role.ADMIN,
        do=lambda *_: "",
        ask=f"{used}. Messages that come with this {NOUNS[AuthKind(key.kind)]} are refused from now on. "
        "This cannot be undone.",
        tone="danger",
    )
    if request.method != "POST":
        return model_admin.question_page(request, inbox, deed=question, form=None)
    try:
        inbox_key_revoke(key=key, by=actor_of(request))
    except PlatformError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"“{key.name}” opens nothing any more.")
    return back
