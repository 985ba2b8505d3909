"""Behind the link of an invitation: what it is about, and the answer."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.current import SESSION_KEY
from openfn_platform.projects.inviting import (
    StaleInvitation,
    invitation_accept,
    invitation_accept_as_new,
    invitation_find,
)
from openfn_platform.projects.models import Invitation, Role, User
from openfn_platform.projects.sessions import session_begin
from openfn_platform.workspace.accounts.forms import AnswerForm
from openfn_platform.workspace.accounts.frame import door, never_cache

ANSWERING = "answers_invitation"  # in the session, while the person logs in at the organisation's


@sensitive_post_parameters()
@csrf_protect
@never_cache
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    try:
        found = invitation_find(secret)
    except StaleInvitation as error:
        return door(
            request, title="This invitation is no longer good", status=404, lead=error.message,
            other_url=reverse("admin:index"), other="To the platform",
        )  # fmt: skip
    request.session[ANSWERING] = str(found.pk)
    person = request.user if isinstance(request.user, User) else None
    if person is None:
        known = User.objects.filter(email=found.email).exists()
        return _log_in_first(request, found) if known else _somebody_new(request, found)
    if person.email != found.email:
        return door(
            request, title=_title(found), status=403,
            lead=f"This invitation is for {found.email}, and you are logged in as {person.email}. Log out first, then open the link again.",
            other_url=reverse("admin:index"), other="Not now",
        )  # fmt: skip
    return _member_to_be(request, found, person)


def _title(found: Invitation) -> str:
    return f"Invitation to “{found.project.name}”"


def _lead(found: Invitation) -> str:
    word, _, meaning = str(Role(found.role).label).partition(": ")
    who = f"{found.invited_by} invites you" if found.invited_by else "You are invited"
    return f"{who} to work in “{found.project.name}” as {word.lower()} ({meaning}), with the address {found.email}."


def _log_in_first(request: HttpRequest, found: Invitation) -> HttpResponse:
    return door(
        request,
        title=_title(found),
        lead=f"{_lead(found)} You have an account already: log in to accept.",
        other_url=f"{reverse('admin:login')}?{urlencode({'next': request.path})}",
        other="Log in",
    )


def _somebody_new(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = invitation_accept_as_new(invitation=found, **form.cleaned_data)
            session_begin(request=request, person=person, how="invitation")
            return _in(request, found)
        except PlatformError as error:
            field = error.context.get("field")
            form.add_error(field if isinstance(field, str) and field in form.fields else None, error.message)
    return door(
        request,
        title=_title(found),
        form=form,
        lead=_lead(found),
        button="Accept",
        oidc_name=settings.OIDC_NAME if settings.OIDC_ISSUER else "",
        next=request.path,
    )


def _member_to_be(request: HttpRequest, found: Invitation, person: User) -> HttpResponse:
    if request.method == "POST":
        try:
            invitation_accept(invitation=found, person=person)
            return _in(request, found)
        except PlatformError as error:
            messages.error(request, error.message)
    return door(
        request,
        title=_title(found),
        lead=_lead(found),
        button="Accept",
        ask=True,
        other_url=reverse("admin:index"),
        other="Not now",
    )


def _in(request: HttpRequest, found: Invitation) -> HttpResponse:
    request.session.pop(ANSWERING, None)
    request.session[SESSION_KEY] = str(found.project_id)
    messages.success(request, f"You belong to “{found.project.name}” now.")
    return HttpResponseRedirect(reverse("admin:index"))
