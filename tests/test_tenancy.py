"""No row can point into another project: every `TenantKey` has its composite constraint, and it holds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from openfn_platform.common.tenancy import TenantKey
from openfn_platform.projects.models import Project

Keyed = tuple[type[models.Model], TenantKey]


def tenant_keys() -> Iterator[Keyed]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, TenantKey):
                yield model, field


KEYS = sorted(tenant_keys(), key=lambda pair: (pair[0]._meta.db_table, pair[1].column))
IDS = [f"{model._meta.db_table}.{field.column}" for model, field in KEYS]


def composite_keys() -> dict[tuple[str, str], tuple[str, bool]]:
    """(table, column) -> (the table pointed to, whether the constraint was checked on old rows)."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, c.convalidated,
                   (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
                    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
                   (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                    JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
            FROM pg_constraint c WHERE c.contype = 'f' AND array_length(c.conkey, 1) = 2
        """)
        return {
            (table.strip('"'), columns[1]): (target.strip('"'), valid)
            for table, target, valid, columns, aims in cursor.fetchall()
            if columns[0] == "project_id" and aims == ["project_id", "id"]
        }


def test_there_are_tenant_keys_to_look_at():
    assert len(KEYS) >= 30


@pytest.mark.django_db
def test_every_tenant_key_has_its_composite_constraint():
    found = composite_keys()
    wanted = {
        (model._meta.db_table, field.column): (field.related_model._meta.db_table, True)
        for model, field in KEYS
    }
    assert {key: found.get(key) for key in wanted} == wanted


def test_no_model_of_a_project_points_to_another_by_a_plain_key():
    """A ForeignKey between two tables that both carry a project would be a way across."""
    deliberate = {
        # Lending a credential is the one way from project to project.
        ("project_credential", "credential_id"),
        # Who did it, or asked for it.
        ("audit_entry", "token_id"),
        ("bulk_operation", "token_id"),
    }
    plain = {
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and not isinstance(field, TenantKey)
        and getattr(field, "db_constraint", True)
        and _has_project(model)
        and _has_project(field.related_model)
    }
    assert plain == deliberate


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "field"), KEYS, ids=IDS)
def test_a_row_of_one_project_cannot_point_into_another(model, field):
    """By plain SQL, with every other constraint of the two tables out of the way."""
    table, target = model._meta.db_table, field.related_model._meta.db_table
    constraint = f"{table}_{field.column}_tenant"
    here, there = (Project.objects.create(name=key, key=key).pk for key in ("here", "there"))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        for each in {table, target}:
            _loosen(cursor, each, keep=constraint)
        inside, outside = _insert(cursor, target, here), _insert(cursor, target, there)
        with transaction.atomic():
            _insert(cursor, table, here, **{field.column: inside})
            transaction.set_rollback(True)  # some tables have room for one such row
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            _insert(cursor, table, here, **{field.column: outside})


def _has_project(model: type[models.Model]) -> bool:
    return any(field.name == "project" for field in model._meta.get_fields())


def _loosen(cursor, table: str, *, keep: str) -> None:
    """In the test's transaction only: every column is optional and only the constraint `keep` is checked."""
    cursor.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'f') AND conname <> %s",
        [f'"{table}"', keep],
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
    cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull",
        [f'"{table}"'],
    )
    for name in {name for (name,) in cursor.fetchall()} - set(_primary_key(cursor, table)):
        cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{name}" DROP NOT NULL')


def _primary_key(cursor, table: str) -> dict[str, tuple[str, str]]:
    """Column -> its type, and whether the database numbers it."""
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, NULL), a.attidentity FROM pg_index i JOIN pg_attribute a "
        "ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indisprimary AND i.indrelid = %s::regclass",
        [f'"{table}"'],
    )
    return {name: (kind, identity) for name, kind, identity in cursor.fetchall()}


def _insert(cursor, table: str, project: uuid.UUID, **values: object) -> object:
    """A row with nothing but its keys; returns its id."""
    values["project_id"] = project
    for name, (kind, identity) in _primary_key(cursor, table).items():
        if name not in values and not identity:
            values[name] = uuid.uuid4() if kind == "uuid" else 1
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(["%s"] * len(values))
    cursor.execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', list(values.values()))
    return values.get("id")
