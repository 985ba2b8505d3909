"""One's own account: password, second factor, sessions."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.projects.logging_in import WrongPassword
from openfn_platform.projects.models import Session, User
from openfn_platform.projects.people import own_password_change
from openfn_platform.projects.second_factors import (
    codes_left,
    codes_renew,
    factor_address,
    factor_disable,
    factor_enable,
    factor_open,
    factor_seal,
    factor_secret_new,
    factor_try,
    has_factor,
)
from openfn_platform.projects.sessions import session_end, sessions_end, sessions_of
from openfn_platform.projects.throttling import bare, may_try, try_failed
from openfn_platform.workspace.accounts.forms import CodeForm, NewPasswordForm, ProofForm
from openfn_platform.workspace.accounts.frame import inside, never_cache, next_of
from openfn_platform.workspace.accounts.qrcode import qr_code

SECRET = "new_second_factor"  # noqa: S105 - the name under which the session keeps it


def person_of(request: HttpRequest) -> User:
    """`login_required` has seen to it that there is one."""
    return cast(User, request.user)


@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Everything at a glance."""
    person = person_of(request)
    rows = [
        {"session": each, "here": each.session_key == request.session.session_key, "key": fingerprint(each)}
        for each in sessions_of(person)
    ]
    return inside(
        request,
        title="Your account",
        template="workspace/accounts/account.html",
        has_factor=has_factor(person),
        codes_left=codes_left(person),
        sessions=rows,
        others=len(rows) > 1,
    )


def fingerprint(session: Session) -> str:
    """Names a session on a page: its key itself would let in whoever reads it there."""
    from openfn_platform.projects.tokens import secret_digest

    return secret_digest(session.session_key).hex()[:32]


@require_POST
@login_required
@csrf_protect
def session_stop(request: HttpRequest) -> HttpResponse:
    """End one session, or all but this one."""
    person = person_of(request)
    wanted = request.POST.get("session", "")
    if not wanted:
        count = sessions_end(person=person, by=person, but=request.session.session_key, why="wanted so")
        messages.success(
            request, f"{count} other sessions ended." if count != 1 else "The other session ended."
        )
        return HttpResponseRedirect(reverse("account"))
    found = next((each for each in sessions_of(person) if fingerprint(each) == wanted), None)
    if found is not None:
        session_end(session=found, by=person)
        messages.success(request, "That session ended.")
    return HttpResponseRedirect(reverse("account"))


@sensitive_post_parameters()
@login_required
@csrf_protect
@never_cache
def password_change(request: HttpRequest) -> HttpResponse:
    """A new password; every other session ends."""
    person = person_of(request)
    form = NewPasswordForm(request.POST or None, asks_old=person.has_usable_password())
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            if person.has_usable_password():
                password_prove(request, person, given["old"], field="old")
            own_password_change(person=person, password=given["new"], session=request.session.session_key)
            update_session_auth_hash(request, person)
            messages.success(request, "Your password is changed. You are logged out everywhere else.")
            return HttpResponseRedirect(reverse("account"))
        except PlatformError as error:
            field = error.context.get("field")
            form.add_error({"password": "new"}.get(str(field), str(field) if field else None), error.message)
    return inside(request, title="Change your password", template="workspace/accounts/form.html", form=form,
                  button="Change password", back=reverse("account"))  # fmt: skip


def password_prove(request: HttpRequest, person: User, password: str, *, field: str) -> None:
    """The person's own password once more, counted like a log-in."""
    asking = bare(request)
    may_try(asking, person.email)
    if not person.check_password(password):
        if try_failed(asking, person.email):
            may_try(asking, person.email)
        raise WrongPassword("This is not your password.", field=field)


def prove(request: HttpRequest, form: ProofForm) -> bool:
    """Whether the form holds the right password and code. What is wrong is said at its field."""
    if request.method != "POST" or not form.is_valid():
        return False
    for name, given in form.cleaned_data.items():
        try:
            if name == "password":
                password_prove(request, form.person, given, field=name)
            else:
                factor_try(request=request, person=form.person, code=given)
        except PlatformError as error:
            form.add_error(name, error.message)
            return False
    return True


@sensitive_post_parameters()
@login_required
@csrf_protect
@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator app: the QR code, and the first code that proves that the app has it."""
    person = person_of(request)
    if has_factor(person):
        return HttpResponseRedirect(reverse("account"))
    if SECRET not in request.session:
        request.session[SECRET] = factor_seal(factor_secret_new())
    secret = factor_open(request.session[SECRET])
    form: forms.Form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = factor_enable(
                person=person,
                secret=secret,
                code=form.cleaned_data["code"],
                session=request.session.session_key,
            )
            del request.session[SECRET]
            return _codes_page(request, codes)
        except PlatformError as error:
            form.add_error("code", error.message)
    address = factor_address(person, secret)
    return inside(
        request,
        title="Set up a second factor",
        template="workspace/accounts/second_factor.html",
        form=form,
        qr=qr_code(address),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        next=next_of(request, "account"),
        waiting=_waiting_projects(person),
    )


def _waiting_projects(person: User) -> list[str]:
    rows = person.memberships.filter(project__mfa_required=True, project__archived_at=None)
    return [
        str(name) for name in rows.order_by("project__name", "pk").values_list("project__name", flat=True)
    ]


def _codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return inside(
        request,
        title="Your recovery codes",
        template="workspace/accounts/codes.html",
        codes=codes,
        next=next_of(request, "account"),
    )


@sensitive_post_parameters()
@login_required
@csrf_protect
@never_cache
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes in place of the old ones."""
    return _proved(
        request,
        title="New recovery codes",
        lead="The old ones no longer work from then on.",
        button="Make new codes",
        do=lambda person: _codes_page(request, codes_renew(person=person)),
    )


@sensitive_post_parameters()
@login_required
@csrf_protect
@never_cache
def second_factor_off(request: HttpRequest) -> HttpResponse:
    """Switch it off."""

    def off(person: User) -> HttpResponse:
        factor_disable(person=person)
        messages.success(request, "Your second factor is switched off.")
        return HttpResponseRedirect(reverse("account"))

    return _proved(
        request,
        title="Switch off the second factor",
        lead="Logging in then asks for your password alone. Projects that require a second factor stay shut to you.",
        button="Switch off",
        do=off,
    )


def _proved(request: HttpRequest, *, title: str, lead: str, button: str, do: Any) -> HttpResponse:
    person = person_of(request)
    if not has_factor(person):
        return HttpResponseRedirect(reverse("second-factor"))
    form = ProofForm(request.POST or None, person=person, wants_code=True)
    if prove(request, form):
        try:
            answer: HttpResponse = do(person)
            return answer
        except NotFound:
            raise
        except PlatformError as error:
            form.add_error(None, error.message)
    return inside(
        request,
        title=title,
        template="workspace/accounts/form.html",
        form=form,
        lead=lead,
        button=button,
        back=reverse("account"),
    )
