"""Browsers that are known: somebody has logged in with them before.

A signed cookie names the persons, the newest first: the computer of a clinic has several. It opens nothing. While a
network is held up (see throttling.py) it lets those persons try their passwords all the same, each only their own.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from openfn_platform.projects.models import User

KNOWN_FOR = timedelta(days=90)
MOST = 8
_SALT = "known-browser"
_MARK = "_logged_in_just_now"


def browser_note(request: HttpRequest, person: User) -> None:
    """Somebody has proved who they are; the answer to this request will carry the cookie."""
    setattr(request, _MARK, person.pk)


def browser_remember(request: HttpRequest, response: HttpResponse) -> None:
    """Add whoever logged in with this request."""
    person: uuid.UUID | None = getattr(request, _MARK, None)
    if person is None:
        return
    keys = list(dict.fromkeys([str(person), *_persons(request)]))[:MOST]
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE,
        signing.dumps(keys, salt=_SALT),
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def browser_knows(request: HttpRequest, *, email: str) -> bool:
    """Whether the person of that address has logged in with this browser lately."""
    keys = _persons(request)
    return bool(keys) and User.objects.filter(email=email, pk__in=keys).exists()


def _persons(request: HttpRequest) -> list[str]:
    cookie = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE, "")
    try:
        keys: list[str] = signing.loads(cookie, salt=_SALT, max_age=KNOWN_FOR)
    except signing.BadSignature:
        return []
    return keys
