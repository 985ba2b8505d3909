"""Logging in again without losing what was typed.

With JavaScript (`signing.js`) a dialog asks, and the page goes on as it was. Without, a form that arrives after its
session ended is answered by a page that carries what was typed and asks for the password; sending it does both.
The text goes only to the browser that sent it, CSRF was checked before, and files and very long forms are not carried.
"""

from __future__ import annotations

from collections.abc import Iterator

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.middleware.csrf import get_token
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.logging_in import Step, TooLate, code_login, password_login, waiting_person
from openfn_platform.projects.models import User
from openfn_platform.projects.throttling import Locked
from openfn_platform.workspace.accounts.forms import CodeForm, LoginForm
from openfn_platform.workspace.accounts.frame import door, never_cache

EMAIL, PASSWORD, CODE = "_again_email", "_again_password", "_again_code"
OURS = (EMAIL, PASSWORD, CODE)
MOST_FIELDS, MOST_CHARACTERS = 900, 3_000_000  # Django takes a thousand fields, and a few are added


@require_GET
@never_cache
def state(request: HttpRequest) -> HttpResponse:
    """Whether this browser is logged in, and as whom."""
    return JsonResponse(_told(request))


@sensitive_post_parameters()
@require_POST
@csrf_protect
@never_cache
def again(request: HttpRequest) -> HttpResponse:
    """One step of the dialog: the password, then the code."""
    try:
        step = _step(
            request,
            request.POST.get("email", ""),
            request.POST.get("password", ""),
            request.POST.get("code", ""),
        )
    except PlatformError as error:
        told = {**_told(request), "sentence": error.message, "begin": isinstance(error, TooLate)}
        return JsonResponse(told, status=error.status)
    return JsonResponse({**_told(request), "wants_code": step.wants_code})


def _told(request: HttpRequest) -> dict[str, object]:
    person = request.user if isinstance(request.user, User) else None
    return {
        "signed_in": person is not None,
        "person": person.email if person else "",
        "csrf": get_token(request),
    }


def _step(request: HttpRequest, email: str, password: str, code: str) -> Step:
    if code:
        return code_login(request=request, code=code[:20])
    return password_login(request=request, email=email[:254], password=password[:4096])


def can_be_carried(request: HttpRequest) -> bool:
    """Whether the form is such that a page can hold it."""
    fields = list(_fields(request))
    characters = sum(len(name) + len(value) for name, value in fields)
    return not request.FILES and len(fields) <= MOST_FIELDS and characters <= MOST_CHARACTERS


def holds_something(request: HttpRequest) -> bool:
    return bool(request.FILES) or any(True for _ in _fields(request))


def _fields(request: HttpRequest) -> Iterator[tuple[str, str]]:
    for name, values in request.POST.lists():
        if name not in OURS and name != "csrfmiddlewaretoken":
            for value in values:
                yield name, str(value)


def sign_in_and_go_on(request: HttpRequest) -> HttpResponse | None:
    """Answer a form of somebody whose session ended. None: they are logged in now, the form may be worked on."""
    sentence, wait = "", 0
    if any(request.POST.get(name) for name in (PASSWORD, CODE)):
        given = [request.POST.get(name, "") for name in OURS]
        try:
            step = _step(request, *given)
            if not step.wants_code:
                _put_back(request)
                return None
        except PlatformError as error:
            sentence = error.message
            wait = error.seconds if isinstance(error, Locked) else 0
    return _ask(request, sentence, wait)


def _put_back(request: HttpRequest) -> None:
    """The form as it was before the page was asked to carry it."""
    clean: QueryDict = request.POST.copy()
    for name in OURS:
        clean.pop(name, None)
    request.POST = clean  # type: ignore[assignment]  # immutable to others, ours to mend


def _ask(request: HttpRequest, sentence: str, wait: int) -> HttpResponse:
    wants_code = waiting_person(request) is not None
    form: forms.Form = (
        CodeForm() if wants_code else LoginForm(initial={"username": request.POST.get(EMAIL, "")})
    )
    names = {"username": EMAIL, "password": PASSWORD, "code": CODE}
    for field in form.fields:
        form[field].html_name = names[field]
    response = door(
        request,
        title="Log in again",
        status=429 if wait else 401,
        form=form,
        carried=list(_fields(request)),
        action=request.get_full_path(),
        lead="Your session ended. What you typed is not lost: log in, and it is sent.",
        error=sentence,
        button="Log in and send",
    )
    if wait:
        response["Retry-After"] = str(wait)
    return response
