"""Noting when what opens an inbox was used, and when somebody was refused who comes with what had opened it before.

Once a minute per process is enough to see which are in use, so nearly every message costs nothing here. The alarm
about the refused is raised by the sweep (`runs.notifications.refused`).
"""

from __future__ import annotations

import time
import uuid

from django.db import connection

NOTED_EVERY_SECONDS = 60.0
REMEMBERED = 10_000

_used: dict[uuid.UUID, float] = {}
_refused: dict[uuid.UUID, float] = {}

_USE = "UPDATE inbox_auth SET last_used_at = now() WHERE id = %s"
_REFUSAL = """
UPDATE inbox_auth SET refused_at = now(), refused_since = coalesce(refused_since, now())
WHERE id = %s AND last_used_at IS NOT NULL
"""


def use_note(*, auth_id: uuid.UUID) -> None:
    """It opened its inbox just now."""
    now = time.monotonic()
    if now - _used.get(auth_id, -NOTED_EVERY_SECONDS) >= NOTED_EVERY_SECONDS:
        _note(_USE, auth_id, _used, now)
        _refused.pop(auth_id, None)


def refusal_note(*, auth_id: uuid.UUID) -> None:
    """Somebody came with it, or with what looks like it, and was refused."""
    now = time.monotonic()
    if now - _refused.get(auth_id, -NOTED_EVERY_SECONDS) >= NOTED_EVERY_SECONDS:
        _note(_REFUSAL, auth_id, _refused, now)
        _used.pop(auth_id, None)


def _note(sql: str, auth_id: uuid.UUID, noted: dict[uuid.UUID, float], now: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [auth_id])
    if len(noted) >= REMEMBERED:
        noted.clear()
    noted[auth_id] = now
