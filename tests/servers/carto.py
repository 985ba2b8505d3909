"""A CARTO stand-in with a database of its own, in the PostgreSQL of the tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from openfn_platform.demo.standins.carto.database import carto_database, carto_database_remove
from openfn_platform.demo.standins.process import Standin


def admin_url() -> str:
    """The PostgreSQL that `manage.py test` started."""
    if not os.environ.get("DATABASE_URL"):
        pytest.fail(
            "This test needs a PostgreSQL: python3 manage.py test --fast [paths and options of pytest]"
        )
    return os.environ["DATABASE_URL"]


@contextmanager
def carto_standin(**settings: Any) -> Iterator[Standin]:
    """With a database that goes with it."""
    admin, name = admin_url(), f"carto_{secrets.token_hex(6)}"
    database = carto_database(admin, name)
    try:
        with Standin.start("carto", config={**settings, "database": database}) as standin:
            yield standin
    finally:
        carto_database_remove(admin, name)
