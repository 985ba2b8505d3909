"""Mails before a credential ends: 14, 7 and 1 day before and on the day, to those who can do something about it.

Told are the owners and admins of the project that owns it and of every project that it is lent to, each person once.
A mail that is late, because the platform was down or the date was set late, tells how it stands now, instead of all
the mails that would have been sent before.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from jobs.adaptors import registry
from jobs.expiring import days_left, expiry_words, last_day, soonest
from jobs.models import Credential, Job, ProjectCredential
from jobs.usage import credential_used_by
from openfn_platform.common.ids import uuid7
from openfn_platform.common.text import one_line
from openfn_platform.projects.models import Project
from runs.models import Notification
from runs.notifications.letters import EXPIRY, tidy
from runs.notifications.links import credential_url
from runs.notifications.recipients import Recipient, administrators_of

BEFORE = (14, 7, 1, 0)  # days
TOLD_AT_LATEST = timedelta(days=7)  # after the end; what is older is no news
AT_ONCE = 50
JOBS_NAMED = 10


def expiries_tell() -> int:
    """Write the mails that are due; returns how many. Any number of sweeps may do it at once."""
    told = 0
    for pk in _candidates():
        with transaction.atomic():
            told += _tell(pk)
    return told


def _candidates() -> list[uuid.UUID]:
    """Those about which something has to be said. A look without locks: nearly always there is nothing."""
    rows = Credential.objects.filter(
        archived_at=None,
        project__archived_at=None,
        expires_at__lt=soonest(),
        expires_at__gt=timezone.now() - TOLD_AT_LATEST,
    )
    near = rows.exclude(expiry_told=0).select_related("project").order_by("expires_at")
    return [each.pk for each in near if _due(each) is not None][:AT_ONCE]


def _tell(pk: uuid.UUID) -> int:
    rows = Credential.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
    credential = rows.select_related("project").filter(pk=pk, archived_at=None).first()
    mark = _due(credential) if credential is not None else None
    if credential is None or mark is None:
        return 0  # another sweep has it, or had it a moment ago
    mails = _mails(credential, mark)
    Notification.objects.bulk_create(mails, ignore_conflicts=True)
    Credential.objects.filter(pk=pk).update(expiry_told=mark)
    return len(mails)


def _due(credential: Credential) -> int | None:
    """The warning that has to be given now, if it was not yet."""
    mark, told = due_mark(days_left(credential)), credential.expiry_told
    return mark if mark is not None and (told is None or mark < told) else None


def due_mark(days: int | None) -> int | None:
    """Which of the four warnings stands for so many days left; None: it is too early for any."""
    if days is None:
        return None
    return next((mark for mark in reversed(BEFORE) if days <= mark), None)


def _mails(credential: Credential, mark: int) -> list[Notification]:
    users = credential_used_by(credential=credential)
    by_address: dict[str, Notification] = {}
    for project in _projects(credential):
        for person in administrators_of(project_id=project.pk):
            # Who is in several of the projects hears of it once, as one of those that own it if they are.
            if person.email not in by_address:
                jobs = [job for job in users if job.project_id == project.pk]
                by_address[person.email] = _mail(credential, mark, project, person, jobs)
    return list(by_address.values())


def _projects(credential: Credential) -> Iterable[Project]:
    """The one that owns it first, then the borrowers."""
    links = ProjectCredential.objects.filter(
        ~Q(project=credential.project), credential=credential, ended_at=None, project__archived_at=None
    )
    borrowers = [link.project for link in links.select_related("project").order_by("pk")]
    return [credential.project, *borrowers]


def _mail(
    credential: Credential, mark: int, project: Project, person: Recipient, jobs: list[Job]
) -> Notification:
    day, days = last_day(credential), days_left(credential)
    assert day is not None and days is not None  # noqa: S101, PT018 - it was chosen because it ends
    name, where = one_line(credential.name, 60), one_line(project.name, 40)
    words = expiry_words(days)
    own = project.pk == credential.project_id
    text = render_to_string(
        "mail/expiry.txt",
        {
            "name": name,
            "system": _system(credential),
            "words": words,
            "over": days < 0,
            "day": f"{day:%A} {day.day} {day:%B %Y}",
            "project": one_line(credential.project.name, 120) if own else "",
            "lender": "" if own else one_line(credential.project.name, 120),
            "jobs": [one_line(job.name, 80) for job in jobs[:JOBS_NAMED]],
            "more": max(0, len(jobs) - JOBS_NAMED),
            "url": credential_url(credential.pk),
        },
    )
    return Notification(
        id=uuid7(),
        project=project,
        kind=EXPIRY,
        cause=f"{credential.pk}/{day}/{mark}",
        recipient=person.email,
        subject=one_line(f"[{where}] {name} {words}", 150),
        text=tidy(text),
    )


def _system(credential: Credential) -> str:
    known = credential.adaptor in registry.names()
    return registry.spec(credential.adaptor).title if known else credential.adaptor
