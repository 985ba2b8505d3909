"""Statements that are planned once per connection instead of once per execution.

Django binds parameters on the client, so PostgreSQL plans every statement anew; for the few large ones on hot
paths planning costs more than running. Parameters are bound on the server here: give a cast to each one whose type
PostgreSQL cannot tell (`%(x)s::uuid` where x may be None).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection


def fetch_prepared(sql: str, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Execute a prepared statement on Django's connection and return its rows. Raises Django's database errors."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, prepare=True)
        return cursor.fetchall() if cursor.description is not None else []
