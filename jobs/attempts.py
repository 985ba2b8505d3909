"""What was typed into a credential's form and failed its test: parked for a quarter of an hour.

Secrets are never sent back to a browser, so without this a person would type all of them again after a slip in the
address. What is parked stays encrypted here; the page gets only the row's id, which is of use to nobody but the same
person, in the same session, for the same credential.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Credential, CredentialAttempt
from jobs.opening import credential_seal, unsealed
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.common.text import one_line
from openfn_platform.projects.models import User

KEPT = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Who types what where: an attempt is given back only to the same."""

    user: User
    session: str
    adaptor: str
    credential: Credential | None = None  # None: a new one
    environment: str = ""

    def facts(self) -> dict[str, Any]:
        return {
            "user": self.user,
            "session": hashlib.sha256(f"credential-attempt:{self.session}".encode()).hexdigest(),
            "credential": self.credential,
            "adaptor": self.adaptor,
            "environment": self.environment[:30],
        }


@dataclass(frozen=True, kw_only=True)
class Parked:
    """An attempt, opened."""

    id: str
    values: dict[str, Any] = field(repr=False)  # as typed last
    tried: dict[str, Any] | None = field(default=None, repr=False)  # as typed when the test failed
    sentence: str = ""  # why it failed


def attempt_park(
    *, desk: Desk, values: Mapping[str, Any], tried: Mapping[str, Any] | None = None, sentence: str = ""
) -> Parked:
    """Keep what was typed, in place of what this person had parked here before."""
    facts = desk.facts()
    CredentialAttempt.objects.filter(**facts).delete()
    row = CredentialAttempt(**facts, sentence=one_line(sentence, 500), keep_until=timezone.now() + KEPT)
    kept = {"values": dict(values), "tried": None if tried is None else dict(tried)}
    credential_seal(body=row, values=kept)
    row.save()
    return Parked(id=str(row.pk), sentence=row.sentence, **kept)  # type: ignore[arg-type]  # as they are named


def attempt_find(*, desk: Desk, attempt: str) -> Parked | None:
    """The attempt of that id, if it is this desk's and its time is not over."""
    key = as_uuid(attempt)
    rows = CredentialAttempt.objects.filter(**desk.facts(), keep_until__gt=Now())
    row = rows.filter(pk=key).first() if key is not None else None
    if row is None:
        return None
    try:
        kept = unsealed(row)
    except PlatformError:
        return None
    return Parked(id=str(row.pk), sentence=row.sentence, **kept)


def attempt_forget(*, desk: Desk) -> None:
    CredentialAttempt.objects.filter(**desk.facts()).delete()


def attempts_forget() -> int:
    """For the sweep: wipe those whose time is over. Returns how many."""
    return CredentialAttempt.objects.filter(keep_until__lte=Now()).delete()[0]
