"""Logging in at the organisation's identity provider (OpenID Connect), if one is set up.

allauth speaks the protocol: discovery, state, PKCE, the token, who it is. What follows is ours: nobody gets in but a
person who has an account with the e-mail address that the provider has verified, or an open invitation for it.
No account is made otherwise, none is linked, and a second factor is asked for as with a password.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.inviting import invitation_accept_as_new, invitation_found
from openfn_platform.projects.logging_in import login_continue
from openfn_platform.projects.models import User
from openfn_platform.projects.throttling import client_address
from openfn_platform.workspace.accounts.invitation import ANSWERING
from openfn_platform.workspace.accounts.login import code_url

logger = logging.getLogger(__name__)

NEXT = "oidc_next"
HOW = "the organisation’s log-in"


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Takes over as soon as the provider has said who it is; allauth neither logs in nor stores anything."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> NoReturn:
        raise ImmediateHttpResponse(_arrived(request, _said(sociallogin)))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **more: Any) -> NoReturn:
        raise ImmediateHttpResponse(_not_logged_in(request))


@require_POST
@csrf_protect
def begin(request: HttpRequest) -> HttpResponse:
    """Off to the provider. By a POST, so that no other page can send people there."""
    if not settings.OIDC_ISSUER:
        raise Http404
    wanted = request.POST.get("next", "")
    known = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    request.session[NEXT] = wanted if known else reverse("admin:index")
    return _spoken(request, views.login, "oidc")


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the provider."""
    if not settings.OIDC_ISSUER:
        raise Http404
    return _spoken(request, views.callback, provider_id)


def _spoken(request: HttpRequest, step: Callable[..., HttpResponse], provider_id: str) -> HttpResponse:
    """A provider that cannot be reached, or that describes itself in no known way, is the person's problem to hear."""
    try:
        return step(request, provider_id)
    except (OSError, KeyError, ValueError) as error:  # the first is what `requests` raises
        logger.warning("action=oidc_failed error=%s", type(error).__name__)
        return _not_logged_in(request)


def _said(sociallogin: Any) -> dict[str, Any]:
    told = sociallogin.account.extra_data
    found = told.get("userinfo") or told.get("id_token") or told
    return found if isinstance(found, dict) else {}


def _arrived(request: HttpRequest, said: dict[str, Any]) -> HttpResponse:
    email = str(said.get("email") or "").strip().lower()
    if not email or said.get("email_verified") is not True:
        return _unknown(request, email, "Your address is not verified there.")
    person = User.objects.filter(email=email, is_active=True).first()
    if person is None:
        person = _invited(request, email, str(said.get("name") or ""))
    if person is None:
        return _unknown(request, email, "Nobody with your address can log in here; ask for an invitation.")
    wanted = request.session.pop(NEXT, "") or reverse("admin:index")
    step = login_continue(request=request, person=person, how=HOW)
    return HttpResponseRedirect(code_url(wanted) if step.wants_code else wanted)


def _invited(request: HttpRequest, email: str, name: str) -> User | None:
    """Somebody new, who came here from the page of an invitation for this very address."""
    try:
        invitation = invitation_found(str(request.session.get(ANSWERING, "")))
        if invitation is None or invitation.email != email:
            return None
        return invitation_accept_as_new(invitation=invitation, name=one_line(name, 120), password=None)
    except PlatformError:
        return None


def _unknown(request: HttpRequest, email: str, sentence: str) -> HttpResponse:
    audit(
        "log-in failed",
        Actor(address=client_address(request)),
        changes={"how": HOW, "email": one_line(email, 254)},
    )
    return _refused(request, sentence)


def _not_logged_in(request: HttpRequest) -> HttpResponse:
    audit("log-in failed", Actor(address=client_address(request)), changes={"how": HOW})
    return _refused(request, f"{settings.OIDC_NAME} did not log you in. Please try again.")


def _refused(request: HttpRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return HttpResponseRedirect(reverse("admin:login"))
