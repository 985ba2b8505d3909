"""The audit as a file. Exporting it is audited, too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from openfn_platform.common.spreadsheets import csv_lines
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import AuditEntry, Project
from openfn_platform.projects.selectors.audit import entries_in_pages

MOST_ROWS = 100_000
COLUMNS = (
    "at", "project", "who", "email", "token", "address", "action", "opened_data", "object", "object_id", "name",
    "changes",
)  # fmt: skip


def audit_export(
    *, rows: QuerySet[AuditEntry], projects: Sequence[Project | None], by: Actor, filters: Mapping[str, Any]
) -> Iterator[bytes]:
    """The newest entries as CSV, where the caller has made sure that `by` may read them. Audited first."""
    for project in projects:
        audit("audit exported", by, project=project, changes={"filter": dict(filters)})
    return _lines(rows)


def _lines(rows: QuerySet[AuditEntry]) -> Iterator[bytes]:
    yield csv_lines([COLUMNS])
    for page in entries_in_pages(rows, most=MOST_ROWS):
        yield csv_lines([_record(entry) for entry in page])


def _record(entry: AuditEntry) -> Sequence[object]:
    return (
        entry.at.isoformat(),
        entry.project.key if entry.project else "",
        entry.actor_name,
        entry.actor.email if entry.actor else "",
        entry.token.prefix if entry.token else "",
        entry.address or "",
        entry.action,
        "yes" if entry.opened else "",
        entry.object_type,
        entry.object_id,
        entry.object_name,
        json.dumps(entry.changes, ensure_ascii=False) if entry.changes else "",
    )
