"""Who tries log-ins over and over is kept waiting (django-axes counts, in the database, for all processes together).

A password is locked for the pair of e-mail address and network address: whoever attacks a person cannot lock that
person out, and an unknown address is locked just like a known one. A second factor is locked for the person alone,
wherever the tries come from: whoever gets that far has the password already.

One password tried on many names never fails five times on one of them. So the failures from one network (an address;
of IPv6 a /64, which is one customer's) are added up, too: from LOGIN_TRIES_PER_NETWORK on in LOGIN_WAIT_MINUTES no
password from there is looked at any more, be it right or wrong: an answer would be what the attacker is after. A
clinic often shares one address, and an attacker or a worm in it must not keep its staff out: the limit is generous;
who is logged in stays so; and a browser in which a person has logged in before (browsers.py) may go on trying for that
person, though for no other, under the limit of the pair. Who comes with a new browser has to wait for the rest of the
time, or until somebody who runs the installation lifts the lock. Tries that were refused do not prolong it. Without
TRUSTED_PROXIES all who come through a proxy are one network; without any address (a socket file) there is none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from openfn_platform.common import clients
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import By, require_superuser
from openfn_platform.projects.auditing import audit

CODES_OF = "second factor of "  # before the address, in the name under which tries of codes are counted


class Locked(PlatformError):
    """There were too many tries."""

    code = "locked"
    status = 429

    def __init__(self, wait: timedelta) -> None:
        self.seconds = max(1, int(wait.total_seconds()))
        minutes = plural(-(-self.seconds // 60), "minute")
        super().__init__(f"There were too many tries. Please wait {minutes}, then try again.")


class NetworkLocked(Locked):
    """There were too many tries from one network, for whomever."""

    code = "network_locked"

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        minutes = plural(-(-self.seconds // 60), "minute")
        self.message = (
            f"There were too many wrong log-ins from your network. Please wait {minutes}, then try again; or use a "
            "browser in which you have logged in before."
        )


def client_address(request: HttpRequest) -> str | None:
    """The network address that asks; axes counts by it."""
    return clients.client_address(request.META)


def lockout_parameters(request: Any, credentials: dict[str, Any] | None = None) -> Sequence[Any]:
    """What axes counts together."""
    name = (credentials or {}).get("username") or getattr(request, "username", None) or ""
    return ["username"] if str(name).startswith(CODES_OF) else [["username", "ip_address"]]


def bare(request: HttpRequest) -> HttpRequest:
    """The request without what was sent: axes would keep it, and it may be the text of a form with secrets."""
    stripped = HttpRequest()
    stripped.method, stripped.path, stripped.path_info = request.method, request.path, request.path_info
    stripped.META = {
        name: value
        for name, value in request.META.items()
        if name in {"REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_USER_AGENT", "HTTP_ACCEPT"}
    }
    stripped.session = request.session
    return stripped


def may_try(request: HttpRequest, name: str) -> None:
    """Raises `Locked` if there were too many tries for that name from there."""
    if not AxesProxyHandler.is_allowed(request, {"username": name}):
        raise Locked(_rest(request, name))


def try_failed(request: HttpRequest, name: str) -> bool:
    """Count a failure. True: that was one too many, from now on it is locked."""
    user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)
    return bool(getattr(request, "axes_locked_out", False))


def tries_forget(name: str) -> None:
    AccessAttempt.objects.filter(username=name).delete()


def lock_lift(*, attempt: AccessAttempt, by: By) -> None:
    """Let somebody try again at once."""
    require_superuser(by)
    same = AccessAttempt.objects.filter(username=attempt.username)
    if not str(attempt.username).startswith(CODES_OF):
        same = same.filter(ip_address=attempt.ip_address)
    audit(
        "lock lifted",
        by,
        changes={"email": attempt.username or "", "address": attempt.ip_address or "unknown"},
    )
    same.delete()
    address = str(attempt.ip_address or "")
    if address and _wait_of(address) is not None:  # else “may try again” would not be true
        _tries_from(address).delete()


def network_wait(request: HttpRequest) -> timedelta | None:
    """How long the network that asks is held up; None: it is not. One query, in the table in which axes counts."""
    address = client_address(request)
    return _wait_of(address) if address is not None else None


def _wait_of(address: str) -> timedelta | None:
    window: timedelta = settings.AXES_COOLOFF_TIME
    since = timezone.now() - window
    rows = _tries_from(address).filter(attempt_time__gt=since).order_by("attempt_time")
    tries = list(rows.values_list("attempt_time", "failures_since_start"))
    left = sum(count for _, count in tries)
    wait: timedelta | None = None
    for at, count in tries:  # each that has to grow too old to count before there are few enough
        if left >= settings.LOGIN_TRIES_PER_NETWORK:
            wait = at - since
        left -= count
    return wait


def _tries_from(address: str) -> QuerySet[AccessAttempt]:
    """Wrong passwords from the network of an address; codes come after a right one."""
    rows = AccessAttempt.objects.exclude(username__startswith=CODES_OF)
    network = ipaddress.ip_network(f"{address}/64" if ":" in address else address, strict=False)
    found: QuerySet[AccessAttempt] = rows.filter(
        ip_address__gte=str(network[0]), ip_address__lte=str(network[-1])
    )
    return found


def _rest(request: HttpRequest, name: str) -> timedelta:
    tries = AccessAttempt.objects.filter(username=name)
    if not name.startswith(CODES_OF):
        tries = tries.filter(ip_address=client_address(request))
    last = tries.aggregate(last=Max("attempt_time"))["last"]
    whole: timedelta = settings.AXES_COOLOFF_TIME
    return whole if last is None else max(timedelta(0), last + whole - timezone.now())
