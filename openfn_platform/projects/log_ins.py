"""Log-ins and log-outs in the audit, whichever way people come in: Django's signals tell of all of them.

They belong to no project: who runs the installation sees them. An address that is nobody's is not written down,
because people type passwords into the wrong field.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from openfn_platform.common.clients import client_address
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit, audit_once
from openfn_platform.projects.models import User

FAILURES_EVERY = 60  # seconds: guessing by the thousand is one entry a minute per person and address


@receiver(user_logged_in)
def logged_in(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if isinstance(user, User):
        audit("logged in", Actor(user=user, address=_address(request)), target=user)


@receiver(user_logged_out)
def logged_out(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if isinstance(user, User):
        audit("logged out", Actor(user=user, address=_address(request)), target=user)


@receiver(user_login_failed)
def log_in_failed(*, credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    given = str(credentials.get("username") or credentials.get("email") or "").strip().lower()
    known = User.objects.filter(email=given).first() if given and "\0" not in given else None
    actor = Actor(address=_address(request))
    mark = f"failed:{known.pk if known else 'nobody'}:{actor.address}:{int(time.time() // FAILURES_EVERY)}"
    changes = None if known else {"person": "nobody has that e-mail address"}
    audit_once(mark, "log-in failed", actor, target=known, changes=changes)


def _address(request: HttpRequest | None) -> str | None:
    return client_address(request.META) if request is not None else None
