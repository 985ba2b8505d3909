"""Tables as people set them up: made, changed, put away. What stands in them is in `jobs.rows`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from jobs.models import Table, TableKind
from openfn_platform.common.errors import Conflict, Invalid, NotFound
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role

MOST_TABLES = 500  # of one project


class TableSetUp(TypedDict, total=False):
    """What a table is for, and its limits."""

    description: str
    kind: str
    most_rows: int
    value_bytes: int


class TableValues(TableSetUp, total=False):
    """What can be changed about a table; its key stays."""

    name: str


class TableArchived(Conflict):
    """This table was archived."""

    code = "table_archived"


@transaction.atomic
def table_create(
    *, project: Project, name: str, by: By, key: str | None = None, **values: Unpack[TableSetUp]
) -> Table:
    """A new, empty table."""
    require(by, project, Role.EDITOR)
    _known(values)
    project_lock(project)
    taken = Table.objects.filter(project=project)
    if taken.filter(archived_at=None).count() >= MOST_TABLES:
        raise Conflict(f"A project can have {MOST_TABLES} tables; archive one first.")
    name = clean_name(name)
    table = Table(project=project, name=name, key=key or free_key(name, taken), **values)
    row_save(table)
    audit("table made", by, project=project, target=table, changes={"kind": table.kind})
    return table


@transaction.atomic
def table_change(*, table: Table, by: By, **values: Unpack[TableValues]) -> Table:
    """Another name, description, kind or limits. What stands in it already may be over new limits."""
    require(by, table.project_id, Role.EDITOR)
    _known(values)
    table = table_locked(table)
    wanted: dict[str, Any] = dict(values)
    if "name" in wanted:
        wanted["name"] = clean_name(wanted["name"])
    before = {field: getattr(table, field) for field in wanted}
    for field, value in wanted.items():
        setattr(table, field, value)
    changes = differences(before, wanted)
    if changes:
        row_save(table, only=changes)
        audit("table changed", by, project=table.project, target=table, changes=changes)
    return table


@transaction.atomic
def table_archive(*, table: Table, by: By) -> None:
    """Put it away: jobs find it no more. Its rows are kept."""
    require(by, table.project_id, Role.EDITOR)
    table = table_locked(table)
    table.archived_at = timezone.now()
    table.save(update_fields=["archived_at"])
    audit("table archived", by, project=table.project, target=table, changes={"rows": table.row_count})


def table_locked(table: Table | uuid.UUID) -> Table:
    """The table as it is now, with nobody else writing into it.

    Whoever writes rows locks their table first, so no two writers can wait for each other.
    """
    key = table.pk if isinstance(table, Table) else table
    rows = Table.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    fresh = rows.filter(pk=key).first()
    if fresh is None:
        raise NotFound()
    if fresh.archived_at is not None:
        raise TableArchived()
    return fresh


def table_keys(project: Project | uuid.UUID) -> list[str]:
    """The keys of the tables that jobs of the project can use."""
    key = project.pk if isinstance(project, Project) else project
    rows = Table.objects.filter(project_id=key, archived_at=None).order_by("key")
    return list(rows.values_list("key", flat=True))


def _known(values: Mapping[str, Any]) -> None:
    unknown = set(values) - set(TableValues.__annotations__)
    if unknown:
        raise Invalid(f"A table has no “{min(unknown)}”.", field=min(unknown))
    if "kind" in values and values["kind"] not in TableKind.values:
        raise Invalid(f"A table is one of: {', '.join(TableKind.values)}.", field="kind")
