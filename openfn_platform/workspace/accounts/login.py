"""The log-in page, and the page that asks for the second factor."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.logging_in import TooLate, code_login, password_login, waiting_person
from openfn_platform.projects.models import User
from openfn_platform.projects.throttling import Locked
from openfn_platform.workspace.accounts.forms import CodeForm, LoginForm
from openfn_platform.workspace.accounts.frame import door, never_cache, next_of


@sensitive_post_parameters()
@csrf_protect
@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """E-mail address and password."""
    if request.method == "GET" and request.user.is_authenticated:
        return HttpResponseRedirect(next_of(request))
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            step = password_login(request=request, email=given["username"], password=given["password"])
        except PlatformError as error:
            return _page(request, form, error)
        return HttpResponseRedirect(code_url(next_of(request)) if step.wants_code else next_of(request))
    return _page(request, form)


def _page(request: HttpRequest, form: forms.Form, error: PlatformError | None = None) -> HttpResponse:
    if error is not None:
        form.add_error(None, error.message)
    wanted = next_of(request)
    response = door(
        request,
        title="Log in",
        template="workspace/accounts/login.html",
        status=429 if isinstance(error, Locked) else 200,
        form=form,
        app_path=request.get_full_path(),
        next=wanted,
        oidc_name=settings.OIDC_NAME if settings.OIDC_ISSUER else "",
    )
    if isinstance(error, Locked):
        response["Retry-After"] = str(error.seconds)
    return response


def code_url(wanted: str) -> str:
    return f"{reverse('login-code')}?{urlencode({'next': wanted})}"


@sensitive_post_parameters()
@csrf_protect
@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """The second factor of whoever gave the right password."""
    if waiting_person(request) is None:
        return HttpResponseRedirect(reverse("admin:login"))
    form, status, wait = CodeForm(request.POST or None), 200, 0
    if request.method == "POST" and form.is_valid():
        try:
            code_login(request=request, code=form.cleaned_data["code"])
            return HttpResponseRedirect(next_of(request))
        except TooLate:
            return HttpResponseRedirect(reverse("admin:login"))
        except PlatformError as error:
            form.add_error("code", error.message)
            if isinstance(error, Locked):
                status, wait = 429, error.seconds
    response = door(
        request,
        title="Second factor",
        status=status,
        form=form,
        lead="Type the code that your app shows now, or one of your recovery codes.",
        button="Log in",
        next=next_of(request),
        other_url=reverse("admin:login"),
        other="Begin again",
    )
    if wait:
        response["Retry-After"] = str(wait)
    return response


@require_POST
@csrf_protect
@never_cache
def logout(request: HttpRequest) -> HttpResponse:
    """End this session."""
    if isinstance(request.user, User):
        audit("logged out", actor_of(request), target=request.user)
    return admin.site.logout(request)
