"""What every page asks about the person: whether the session lives, and whether a second factor is still owed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.browsers import browser_remember
from openfn_platform.projects.sessions import session_seen
from openfn_platform.workspace.accounts.again import can_be_carried, holds_something, sign_in_and_go_on

ADMIN = "/admin/"
SIGNED_OUT = "X-Signed-Out"  # a script that gets it shows the log-in dialog
# Pages that everybody may open, and those that somebody needs who has no second factor yet.
FOR_VISITORS = (
    "/admin/login/",
    "/admin/logout/",
    "/admin/jsi18n/",
    "/admin/password_reset/",
    "/admin/reset/",
    "/admin/invitation/",
    "/admin/oidc/",
)
FOR_SETTING_UP = (*FOR_VISITORS, "/admin/account/", "/admin/password_change/")


class SignedInMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(ADMIN):
            return self.get_response(request)
        if request.user.is_authenticated:
            session_seen(request)
        response = self.get_response(request)
        browser_remember(request, response)
        if not request.user.is_authenticated and by_script(request) and _to_login(response):
            return _signed_out()
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Runs after CSRF was checked."""
        path = request.path
        if not path.startswith(ADMIN):
            return None
        if (
            request.method == "POST"
            and not request.user.is_authenticated
            and not path.startswith(FOR_VISITORS)
        ):
            answer = self._form_of_nobody(request)
            if answer is not None:
                return answer
        if path.startswith(FOR_SETTING_UP) or not request.user.is_authenticated:
            return None
        return _to_second_factor(request) if actor_of(request).must_set_up_factor else None

    def _form_of_nobody(self, request: HttpRequest) -> HttpResponse | None:
        if by_script(request):
            return _signed_out()
        if not holds_something(request):
            return None
        if can_be_carried(request):
            return sign_in_and_go_on(request)
        messages.error(
            request, "Your session ended, and what you sent could not be kept. Please send it again."
        )
        return HttpResponseRedirect(f"{reverse('admin:login')}?{urlencode({'next': request.path})}")


def by_script(request: HttpRequest) -> bool:
    """Whether a script of a page asks, rather than a person who goes from page to page."""
    headers = request.headers
    mode = headers.get("Sec-Fetch-Mode", "navigate")
    return "HX-Request" in headers or mode != "navigate" or headers.get("Accept", "") == "application/json"


def _to_login(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith(reverse("admin:login"))


def _signed_out() -> HttpResponse:
    return JsonResponse(
        {"detail": "Your session ended. Log in again."}, status=401, headers={SIGNED_OUT: "1"}
    )


def _to_second_factor(request: HttpRequest) -> HttpResponse:
    if by_script(request):
        return JsonResponse({"detail": "Set up a second factor first."}, status=403)
    wanted = request.get_full_path() if request.method == "GET" else reverse("admin:index")
    return HttpResponseRedirect(f"{reverse('second-factor')}?{urlencode({'next': wanted})}")
