"""The two ways in which audit entries may go or change: retention prunes old ones, erasing a person rewrites texts.

The database refuses everything else (see `models/audit.py`). Each door is open for one transaction only.

    with pruning():
        AuditEntry.objects.filter(pk__in=batch).delete()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def pruning() -> Iterator[None]:
    """Old entries may be deleted. What was pruned is to be audited by whoever does it."""
    with _allowed("platform.pruning"):
        yield


@contextmanager
def erasing() -> Iterator[None]:
    """The texts of entries (`object_name`, `changes`) may be replaced; who did what and when cannot."""
    with _allowed("platform.erasing"):
        yield


@contextmanager
def _allowed(what: str) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [what])
        yield
        # Shut again also where this is only a part of a longer transaction.
        cursor.execute("SELECT set_config(%s, 'off', true)", [what])
