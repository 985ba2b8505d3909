"""Emptying the database between two tests that commit, by way of the few tables with rows in them.

Django truncates all hundred of them and then makes its content types and permissions anew, which took longer than
most of the tests.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

# As migrations leave them; no test changes them.
KEPT = {each._meta.db_table for each in (ContentType, Permission)}


def use_for(patch: pytest.MonkeyPatch) -> None:
    """From here on every test that commits is cleaned up after in this way."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # Django's own, without a type

    def teardown(case: Any) -> None:
        if _may_skip_constraints():
            database_empty()
        else:
            flush(case)

    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)


def database_empty() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_question())
        filled = [name for (name,) in cursor.fetchall()]
        # Neither foreign keys nor the triggers that forbid a deletion have a say in this.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in filled:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")


@cache
def _question() -> str:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {connection.ops.quote_name(name)})"
        for name in sorted(set(names) - KEPT)
    )


@cache
def _may_skip_constraints() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        row = cursor.fetchone()
    return bool(row and row[0])
