"""Logging in: a password that is right, then a second factor if there is one, then a session.

What came before a second factor stands in the session of the browser, for a few minutes and for nobody else.
The answer to a wrong password is the same, in words and in time, whether there is such a person or not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.http import HttpRequest

from openfn_platform.common.errors import Invalid
from openfn_platform.common.models import as_uuid
from openfn_platform.common.text import storable
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.browsers import browser_knows
from openfn_platform.projects.models import User
from openfn_platform.projects.second_factors import factor_try, has_factor
from openfn_platform.projects.sessions import session_begin
from openfn_platform.projects.throttling import (
    NetworkLocked,
    bare,
    client_address,
    may_try,
    network_wait,
)

WAITING = "waits_for_code"
MINUTES_TO_TYPE = 10
LONGEST = 254  # of an e-mail address


class WrongPassword(Invalid):
    """Please enter a correct e-mail address and password. Note that the password is case-sensitive."""

    code = "wrong_password"


class TooLate(Invalid):
    """That took too long. Please begin again with your password."""

    code = "too_late"


@dataclass(frozen=True)
class Step:
    """Where the log-in stands: done, or a code is wanted."""

    person: User
    wants_code: bool


def password_login(*, request: HttpRequest, email: str, password: str) -> Step:
    """Check the password. Raises `WrongPassword` or `Locked`."""
    name, asking = storable(email.strip().lower())[:LONGEST], bare(request)
    may_try(asking, name)
    held_up = network_wait(asking)
    if held_up is not None and not browser_knows(request, email=name):
        raise NetworkLocked(held_up)
    person = authenticate(asking, username=name, password=password)
    if isinstance(person, User):
        return login_continue(request=request, person=person, how="password")
    _write_down("log-in failed", request, name)
    if held_up is None and network_wait(asking) is not None:
        changes = {"what": "everybody from this network whose browser is not known"}
        audit("log-in locked", Actor(address=client_address(request)), changes=changes)
    if getattr(asking, "axes_locked_out", False):
        _write_down("log-in locked", request, name)
        may_try(asking, name)
    raise WrongPassword()


def _write_down(action: str, request: HttpRequest, name: str) -> None:
    """An address that nobody has is not kept: people type passwords into the wrong field."""
    person = User.objects.filter(email=name).first()
    changes = {} if person else {"person": "nobody has that e-mail address"}
    audit(action, Actor(address=client_address(request)), target=person, changes=changes)


def login_continue(*, request: HttpRequest, person: User, how: str) -> Step:
    """The first proof was given, by a password or by the organisation's log-in: ask for the second, or let in."""
    if has_factor(person):
        request.session[WAITING] = {"person": str(person.pk), "how": how, "since": time.time()}
        return Step(person=person, wants_code=True)
    session_begin(request=request, person=person, how=how)
    return Step(person=person, wants_code=False)


def code_login(*, request: HttpRequest, code: str) -> Step:
    """Check the code of whoever gave the right password just before."""
    waiting = waiting_person(request)
    if waiting is None:
        raise TooLate()
    how = request.session[WAITING]["how"]
    kind = factor_try(request=request, person=waiting, code=code)
    del request.session[WAITING]
    session_begin(request=request, person=waiting, how=f"{how}, {kind}")
    return Step(person=waiting, wants_code=False)


def waiting_person(request: HttpRequest) -> User | None:
    """Who gave a right password in this browser and still owes a code."""
    waiting = request.session.get(WAITING)
    if not isinstance(waiting, dict) or waiting.get("since", 0) < time.time() - MINUTES_TO_TYPE * 60:
        return None
    key = as_uuid(waiting.get("person"))
    return User.objects.filter(pk=key, is_active=True).first() if key else None
