"""The date until which a credential is good. After it the platform goes on using it and says so: the partner decides."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from jobs.models import Credential
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import By, require_to_connect
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project

SOON = 14  # days before the end on which people begin to be told


@transaction.atomic
def credential_expiry_set(*, credential: Credential, expires_at: datetime | None, by: By) -> Credential:
    """Another end, or none. Warnings begin anew."""
    require_to_connect(by, credential.project_id)
    before = credential.expires_at
    if before == expires_at:
        return credential
    credential.expires_at, credential.expiry_told = expires_at, None
    credential.save(update_fields=["expires_at", "expiry_told"])
    changes = {"expires_at": [before, expires_at]}
    audit("credential changed", by, project=credential.project, target=credential, changes=changes)
    return credential


def end_of(day: date, project: Project) -> datetime:
    """The last second of a day where the project is."""
    return datetime.combine(day, time(23, 59, 59), tzinfo=_zone(project))


def last_day(credential: Credential) -> date | None:
    """The last day on which it is good, where its project is."""
    if credential.expires_at is None:
        return None
    return credential.expires_at.astimezone(_zone(credential.project)).date()


def days_left(credential: Credential, *, now: datetime | None = None) -> int | None:
    """0 on the last day, negative after it; None: it does not end."""
    day = last_day(credential)
    if day is None:
        return None
    return (day - (now or timezone.now()).astimezone(_zone(credential.project)).date()).days


def is_over(credential: Credential) -> bool:
    return credential.expires_at is not None and credential.expires_at < timezone.now()


def expiry_words(days: int) -> str:
    """“expires in 3 days”"""
    if days < 0:
        return "expired"
    if days == 0:
        return "expires today"
    return "expires tomorrow" if days == 1 else f"expires in {plural(days, 'day')}"


def soonest(days: int = SOON) -> datetime:
    """Everything that ends before it may be due for a warning, in whatever zone."""
    return timezone.now() + timedelta(days=days + 2)


def _zone(project: Project) -> ZoneInfo:
    try:
        return ZoneInfo(project.time_zone)
    except (KeyError, ValueError, OSError):  # a zone that vanished from the time zone database
        return ZoneInfo("UTC")
