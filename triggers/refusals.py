"""Counting what an inbox refused, per hour and reason, and keeping the last hundred without their bodies."""

from __future__ import annotations

import logging
import random
import uuid
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import one_line
from openfn_platform.projects.tokens import PREFIX as API_TOKEN
from openfn_platform.projects.tokens import SHOWN
from triggers.authenticating import offer_of
from triggers.inboxes import PREFIX as INBOX_KEY
from triggers.listening import Listening
from triggers.noting import refusal_note

logger = logging.getLogger(__name__)

KEPT = 100
TIDY_ONE_IN = 20  # deleting the oldest at every refusal would make an attack more expensive for us

_COUNT = """
WITH counted AS (
    INSERT INTO refusal_count (project_id, inbox_id, hour, status, code, count)
    VALUES (%(project)s, %(inbox)s, date_trunc('hour', now()), %(status)s, %(code)s, 1)
    ON CONFLICT (inbox_id, hour, status, code) DO UPDATE SET count = refusal_count.count + 1)
INSERT INTO refusal (project_id, inbox_id, status, code, reason, key_prefix, sender, size)
VALUES (%(project)s, %(inbox)s, %(status)s, %(code)s, %(reason)s, %(prefix)s, %(sender)s, %(size)s)
"""
_TIDY = """
DELETE FROM refusal WHERE inbox_id = %s AND id < (
    SELECT id FROM refusal WHERE inbox_id = %s ORDER BY id DESC OFFSET %s LIMIT 1)
"""


def refusal_count(*, listening: Listening, refusal: PlatformError, request: HttpRequest) -> None:
    """Write one refusal down. Never raises: the sender gets its answer whatever happens here."""
    formerly = refusal.context.get("formerly")
    try:
        size = max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        size = 0
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                _COUNT,
                {
                    "project": listening.project_id,
                    "inbox": listening.inbox_id,
                    "status": refusal.status,
                    "code": refusal.code[:40],
                    "reason": one_line(refusal.message, 300),
                    "prefix": _prefix(offer_of(request.META).key),
                    "sender": request.META.get("REMOTE_ADDR", "")[:45],
                    "size": min(size, 2**31 - 1),
                },
            )
            if isinstance(formerly, uuid.UUID):
                refusal_note(auth_id=formerly)
            if random.randrange(TIDY_ONE_IN) == 0:  # noqa: S311  # spreads work, protects nothing
                cursor.execute(_TIDY, [listening.inbox_id, listening.inbox_id, KEPT - 1])
    except DatabaseError as error:
        logger.warning("action=refusal_uncounted error=%s", type(error).__name__)


def _prefix(key: str) -> str:
    """How it begins, if we made it: anything else may be a password, of which not even the beginning is kept."""
    ours = len(key) > 2 * SHOWN and key.isascii() and key.startswith((INBOX_KEY, API_TOKEN))
    return one_line(key[:SHOWN], SHOWN) if ours else ""


_ADD = """
WITH counted AS (
    INSERT INTO refusal_count (project_id, inbox_id, hour, status, code, count)
    VALUES (%(project)s, %(inbox)s, date_trunc('hour', now()), %(status)s, %(code)s, %(count)s)
    ON CONFLICT (inbox_id, hour, status, code) DO UPDATE SET count = refusal_count.count + EXCLUDED.count)
INSERT INTO refusal (project_id, inbox_id, status, code, reason, key_prefix, sender, size)
VALUES (%(project)s, %(inbox)s, %(status)s, %(code)s, %(reason)s, '', '', 0)
"""


def refusals_add(*, project: uuid.UUID, inbox: uuid.UUID, refusal: PlatformError, count: int) -> None:
    """Several at once of one kind, counted elsewhere; one of them stands for all in the list."""
    values: dict[str, Any] = {
        "project": project,
        "inbox": inbox,
        "status": refusal.status,
        "code": refusal.code[:40],
        "count": count,
        "reason": one_line(refusal.message, 250) + (f" (×{count:,})" if count > 1 else ""),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ADD, values)
        if random.randrange(TIDY_ONE_IN) == 0:  # noqa: S311  # spreads work, protects nothing
            cursor.execute(_TIDY, [inbox, inbox, KEPT - 1])
