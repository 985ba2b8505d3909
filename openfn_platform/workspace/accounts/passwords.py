"""A forgotten password: the page that mails a link, and the page behind the link."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlsafe_base64_decode
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.models import User
from openfn_platform.projects.people import own_password_change
from openfn_platform.projects.throttling import tries_forget
from openfn_platform.workspace.accounts.forms import ForgottenForm, NewPasswordForm
from openfn_platform.workspace.accounts.frame import door, never_cache


@csrf_protect
@never_cache
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for the address, and say the same whether somebody has it or not."""
    form = ForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save(public_url=settings.PUBLIC_URL)
        return door(
            request,
            title="Look into your mail",
            lead="If somebody with that address can log in here, a mail with a link is on its way. It is good for one hour.",
            other_url=reverse("admin:login"),
            other="Back to the log-in",
        )
    return door(
        request,
        title="Forgotten password",
        form=form,
        lead="Type your e-mail address, and you get a link with which you choose a new password.",
        button="Mail me a link",
        other_url=reverse("admin:login"),
        other="Back to the log-in",
    )


@sensitive_post_parameters()
@csrf_protect
@never_cache
def choose(request: HttpRequest, key: str, token: str) -> HttpResponse:
    """Behind the link: the new password. It ends every session; a second factor stays."""
    person = _person(key)
    if person is None or not default_token_generator.check_token(person, token):
        return door(
            request,
            title="This link is no longer good",
            status=404,
            lead="It works once, for an hour. Ask for a new one.",
            other_url=reverse("admin_password_reset"),
            other="Ask for a new link",
        )
    form = NewPasswordForm(request.POST or None, asks_old=False)
    if request.method == "POST" and form.is_valid():
        try:
            own_password_change(person=person, password=form.cleaned_data["new"])
            tries_forget(person.email)
            messages.success(request, "Your new password is good. Log in with it.")
            return HttpResponseRedirect(reverse("admin:login"))
        except PlatformError as error:
            form.add_error("new", error.message)
    return door(
        request, title="A new password", form=form, lead=f"For {person.email}", button="Change password"
    )


def _person(key: str) -> User | None:
    try:
        found = as_uuid(urlsafe_base64_decode(key).decode())
    except (ValueError, UnicodeDecodeError):
        return None
    return User.objects.filter(pk=found, is_active=True).first() if found else None
