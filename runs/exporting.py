"""Exchanges as files, written while they are read: CSV for tables, JSON lines with the bodies for programs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from jobs.models import Job
from openfn_platform.common.spreadsheets import csv_lines
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project
from runs.models import HttpExchange
from runs.selectors.sent import Cursor, counted, newest
from runs.wiping import NOT_KEPT

MOST_ROWS = 100_000
AT_ONCE = 200
COLUMNS = (
    "at", "project", "job", "run", "work_order", "connection", "protocol", "method", "address", "write", "dry",
    "status", "outcome", "error", "attempt", "duration_ms", "request_bytes", "response_bytes",
)  # fmt: skip
BODIES = ("request_body", "request_cut", "response_body", "response_cut")
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def sent_export(
    *,
    rows: QuerySet[HttpExchange],
    projects: Sequence[Project],
    by: Actor,
    filters: dict[str, str],
    format: str,
) -> Iterator[bytes]:
    """The newest rows of these projects, where the caller has made sure that `by` may see data. Audited first."""
    for project in projects:
        count = min(counted(rows, projects=[project.pk], most=MOST_ROWS), MOST_ROWS)
        changes = {"filter": filters, "rows": count, "format": format}
        if count:
            audit("sent exported", by, project=project, changes=changes, opened=True)
    found = _rows(rows, [project.pk for project in projects])
    keys = {project.pk: project.key for project in projects}
    keeping = {project.pk for project in projects if project.keeps_payloads}
    return _csv(found, keys) if format == "csv" else _json_lines(found, keys, keeping)


def _rows(rows: QuerySet[HttpExchange], projects: list[uuid.UUID]) -> Iterator[list[HttpExchange]]:
    """Page after page: no cursor of the database is held while somebody downloads slowly."""
    left, after = MOST_ROWS, None
    while left > 0:
        page = newest(rows, projects=projects, size=min(AT_ONCE, left), after=after)
        if page:
            yield page
        if len(page) < AT_ONCE:
            return
        left -= len(page)
        after = Cursor.of(page[-1])


def _csv(pages: Iterator[list[HttpExchange]], projects: dict[uuid.UUID, str]) -> Iterator[bytes]:
    yield csv_lines([COLUMNS])
    for page in pages:
        records = _records(page, projects)
        yield csv_lines([[record[name] for name in COLUMNS] for record in records])


def _json_lines(
    pages: Iterator[list[HttpExchange]], projects: dict[uuid.UUID, str], keeping: set[uuid.UUID]
) -> Iterator[bytes]:
    for page in pages:
        kept = HttpExchange.objects.filter(pk__in=[row.pk for row in page]).values("pk", *BODIES)
        bodies = {each.pop("pk"): each for each in kept}
        records = _records(page, projects)
        lines = [
            json.dumps(
                record | _bodies(bodies.get(row.pk, {}), kept=row.project_id in keeping), ensure_ascii=False
            )
            for row, record in zip(page, records, strict=True)
        ]
        yield "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _bodies(found: dict[str, Any], *, kept: bool) -> dict[str, Any]:
    """An empty place says why it is empty, where that is the project's wish."""
    if kept:
        return found
    return {name: NOT_KEPT if value is None else value for name, value in found.items()}


def _records(page: list[HttpExchange], projects: dict[uuid.UUID, str]) -> list[dict[str, Any]]:
    wanted = Job.objects.filter(pk__in={row.job_id for row in page}).values_list("pk", "key")
    jobs: dict[uuid.UUID | None, str] = dict(wanted)
    return [_record(row, projects.get(row.project_id, ""), jobs.get(row.job_id, "")) for row in page]


def _record(row: HttpExchange, project: str, job: str) -> dict[str, Any]:
    order = str(row.work_order_id) if row.work_order_id else ""
    named = {"at": row.at.isoformat(), "project": project, "job": job, "address": row.url}
    ids = {"run": str(row.run_id), "work_order": order}
    plain = {name: getattr(row, name) for name in COLUMNS if name not in named and name not in ids}
    record = named | ids | plain
    return {name: record[name] for name in COLUMNS}
