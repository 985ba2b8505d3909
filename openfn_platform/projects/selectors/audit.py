"""Who may read the audit, and what can be asked of it; for the page, the file and the API.

- Who administers a project reads what happened in it.
- What concerns the installation (log-ins, people, what was put into no project) is for those who run it: a
  person may belong to several projects, and from where they log in is no business of each of them. What they
  did in a project shows there, with the address it came from.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.models import AuditEntry, Project, Role

MOST_WORDS = 8


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What is asked for; what is None asks for nothing."""

    actor_id: uuid.UUID | None = None
    token_id: uuid.UUID | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    opened: bool = False  # only what showed or handed out personal data
    words: str = ""  # each somewhere in who, what, which or the changes


def audit_entries(actor: Actor) -> QuerySet[AuditEntry]:
    """The entries that the actor may read, unordered."""
    if actor.is_superuser:
        return AuditEntry.objects.all()
    administered = [key for key in actor.standings if actor.may(key, Role.ADMIN)]
    return AuditEntry.objects.filter(project__in=administered)


def entries_of(project: Project) -> QuerySet[AuditEntry]:
    """What happened in one project, whoever asks: the caller has made sure that they may."""
    return AuditEntry.objects.filter(project=project)


def entries_narrow(rows: QuerySet[AuditEntry], asked: AuditFilter) -> QuerySet[AuditEntry]:
    given = {
        "actor_id": asked.actor_id,
        "token_id": asked.token_id,
        "action": asked.action,
        "object_type": asked.object_type,
        "object_id": asked.object_id,
        "at__gte": asked.since,
        "at__lt": asked.before,
        "opened": asked.opened or None,
    }
    rows = rows.filter(**{name: value for name, value in given.items() if value is not None})
    return entries_with_words(rows, asked.words)


def entries_with_words(rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Each word somewhere; an id finds what happened to the thing of that id, and is quick."""
    words = text.replace("\0", "").split()[:MOST_WORDS]
    if len(words) == 1 and (key := as_uuid(words[0])) is not None:
        return rows.filter(object_id=str(key))
    if words:
        rows = rows.alias(told=Cast("changes", TextField()))
    for word in words:
        rows = rows.filter(
            Q(actor_name__icontains=word)
            | Q(action__icontains=word)
            | Q(object_name__icontains=word)
            | Q(object_id=word)
            | Q(told__icontains=word)
        )
    return rows


# Steps from one value to the next along the index: `DISTINCT` would read every entry there is.
_ACTIONS = """
WITH RECURSIVE step AS (
    (SELECT action FROM audit_entry ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT e.action FROM audit_entry e WHERE e.action > step.action ORDER BY e.action LIMIT 1)
    FROM step WHERE step.action IS NOT NULL)
SELECT action FROM step WHERE action IS NOT NULL LIMIT 500
"""


def actions_known() -> list[str]:
    """Every kind of deed that was ever recorded."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIONS)
        return [str(row[0]) for row in cursor.fetchall()]


def entries_in_pages(
    rows: QuerySet[AuditEntry], *, most: int, at_once: int = 500
) -> Iterator[list[AuditEntry]]:
    """Newest first, page after page: no cursor of the database is held while somebody downloads slowly."""
    rows, after, left = rows.order_by("-id").select_related("project", "actor", "token"), None, most
    while left > 0:
        page = list((rows if after is None else rows.filter(pk__lt=after))[: min(at_once, left)])
        if page:
            yield page
        if len(page) < at_once:
            return
        left -= len(page)
        after = page[-1].pk
