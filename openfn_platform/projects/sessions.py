"""Who is logged in where: beginning sessions, noting that they live, ending them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import login
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from openfn_platform.common.errors import NotAllowed, NotFound
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import Actor, By, as_actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.browsers import browser_note
from openfn_platform.projects.models import Session, User
from openfn_platform.projects.session_store import ADDRESS, BEGAN, DEVICE, HOW, SessionStore
from openfn_platform.projects.throttling import client_address

BACKEND = "openfn_platform.projects.backends.EmailBackend"
TIDIED = 100
SEEN_EVERY = timedelta(minutes=1)  # no write for every click
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def session_begin(*, request: HttpRequest, person: User, how: str) -> None:
    """Log somebody in, after everything that had to be proved was."""
    _tidy()
    login(request, person, backend=BACKEND)
    browser_note(request, person)
    device, address = device_of(request), client_address(request)
    request.session.update({BEGAN: timezone.now().isoformat(), ADDRESS: address, DEVICE: device, HOW: how})
    actor = Actor(user=person, address=address)
    audit("logged in", actor, target=person, changes={"how": how, "device": device})


def _tidy() -> None:
    """Nobody else throws old sessions away; a few at each log-in keep the table small."""
    old = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")[:TIDIED]
    Session.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()


def session_seen(request: HttpRequest) -> None:
    """Note that it is in use, at most once a minute."""
    store, now = request.session, timezone.now()
    if not isinstance(store, SessionStore) or store.session_key is None:
        return
    if store.seen_at is None or store.seen_at < now - SEEN_EVERY:
        store.seen_at = now
        Session.objects.filter(pk=store.session_key).update(seen_at=now)


@transaction.atomic
def session_take(request: HttpRequest, *, name: str, key: str) -> Any:
    """Take one thing out of a dictionary in the session. Of two requests that come at once only one gets it."""
    row = Session.objects.select_for_update().filter(pk=request.session.session_key).first()
    kept = dict(row.get_decoded().get(name, {})) if row is not None else {}
    found = kept.pop(key, None)
    if found is not None:
        request.session[name] = kept
        request.session.save()
    return found


def sessions_of(person: User) -> QuerySet[Session]:
    """The living ones, the newest first."""
    return person.sessions.filter(expire_date__gt=timezone.now()).order_by("-seen_at", "pk")


@transaction.atomic
def session_end(*, session: Session, by: By) -> None:
    """End one session of one's own."""
    if session.user_id is None or as_actor(by).user != session.user:
        raise NotFound()
    audit(
        "session ended",
        by,
        target=session.user,
        changes={"device": session.device, "address": session.address},
    )
    session.delete()


@transaction.atomic
def sessions_end(*, person: User, by: By, but: str | None = None, why: str = "") -> int:
    """End all sessions of a person, at once; `but` is the key of one that stays. Returns how many there were."""
    actor = as_actor(by)
    if actor.user != person and not actor.is_superuser:
        raise NotAllowed("Only somebody who runs this installation may end sessions of others.")
    count, _ = person.sessions.exclude(pk=but or "").delete()
    if count:
        audit("sessions ended", by, target=person, changes={"count": count, "why": why})
    return count


def device_of(request: HttpRequest) -> str:
    """`Firefox on Windows`, as far as the browser tells."""
    return device_named(str(request.META.get("HTTP_USER_AGENT", "")))


def device_named(told: str) -> str:
    browser = next((name for mark, name in _BROWSERS if mark in told), "")
    system = next((name for mark, name in _SYSTEMS if mark in told), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or one_line(told, 60) or "Unknown device"
