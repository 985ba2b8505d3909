"""Composite foreign keys `(project_id, x_id)`: no row can point into another project, whatever the code does.

A model says `TenantKey(...)` instead of `ForeignKey(...)`: Django keeps its relation but makes no single-column
constraint, and the migration adds the composite one with `TenantConstraint`. The target needs
`UniqueConstraint(fields=["project", "id"])`, which `tenant_unique` makes. A test lists every `TenantKey` and
looks for its constraint in `pg_constraint`, because RunSQL is invisible to Django's autodetector.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.migrations.operations import RunSQL


class TenantKey(models.ForeignKey[Any, Any]):
    """A foreign key to a row of the same project, constrained in the database by (project_id, id)."""

    def __init__(self, to: Any, on_delete: Any = models.PROTECT, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        # Hot tables have many keys and few of them are searched by: an index is asked for by name.
        kwargs.setdefault("db_index", False)
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        return name, "openfn_platform.common.tenancy.TenantKey", args, kwargs


def tenant_unique(table: str) -> models.UniqueConstraint:
    """What a composite foreign key points to. Read backwards, it also lists a project's newest rows."""
    return models.UniqueConstraint(fields=["project", "id"], name=f"{table}_project_id_unique")


class TenantConstraint(RunSQL):
    """Adds the composite foreign key of `table.column` to `target(project_id, id)`.

    INITIALLY IMMEDIATE: a deferred one would report only at commit, far from the mistake.
    """

    def __init__(self, table: str, column: str, target: str, project_column: str = "project_id") -> None:
        name = f"{table}_{column}_tenant"
        super().__init__(
            sql=(
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" FOREIGN KEY ("{project_column}", "{column}") '
                f'REFERENCES "{target}" ("project_id", "id") DEFERRABLE INITIALLY IMMEDIATE'
            ),
            reverse_sql=f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
        )
