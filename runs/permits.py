"""Permits: argument-free Celery tasks, each of which lets one worker execute one run.

Which run that is, the database decides; a permit that is lost, doubled, late or out of order changes nothing.
Publishing never slows or fails what was just committed: no retries, short socket timeouts, and a breaker that
stops asking a broker for ten seconds after it did not answer. The sweep makes up for what was not published.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

BREAKER_SECONDS = 10.0
EXPIRES_SECONDS = 300


class Breaker:
    """Open (do not ask) for a while after a failure. Per process; races only cost one more try."""

    def __init__(self, seconds: float = BREAKER_SECONDS) -> None:
        self.seconds = seconds
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._closed_at

    def failed(self) -> None:
        self._closed_at = time.monotonic() + self.seconds

    def worked(self) -> None:
        self._closed_at = 0.0


breaker = Breaker()


def publish(count: int = 1) -> int:
    """Publish so many permits now; returns how many the broker took. Never raises."""
    from runs.tasks import execute_next

    if not settings.REDIS_URL or breaker.is_open:
        return 0
    for done in range(count):
        try:
            execute_next.apply_async(expires=EXPIRES_SECONDS, retry=False, ignore_result=True)
        except (
            Exception
        ) as error:  # whatever kombu, redis or the socket raise: the run is safe in the database
            breaker.failed()
            logger.warning("action=permit_unpublished error=%s", type(error).__name__)
            return done
    breaker.worked()
    return count


def broker_answers() -> bool:
    """Whether a broker is configured and answered lately (asked again when the breaker is closed)."""
    if not settings.REDIS_URL:
        return False
    if breaker.is_open:
        return False
    return queue_length() is not None


def queue_length() -> int | None:
    """How many permits lie in the broker's queue; None when it does not answer."""
    from openfn_platform.celery import app

    if not settings.REDIS_URL or breaker.is_open:
        return None
    try:
        with app.connection_for_read(connect_timeout=1) as link:
            link.ensure_connection(max_retries=1, timeout=2)
            channel: Any = link.default_channel  # of the Redis transport, whose type celery does not tell
            return int(channel.client.llen(app.conf.task_default_queue))
    except Exception as error:  # see publish: whatever it is, the broker is not to be had now
        breaker.failed()
        logger.warning("action=broker_silent error=%s", type(error).__name__)
        return None


def publish_on_commit(count: int) -> None:
    """Ring when the transaction is committed; outside of one, at once."""
    if count > 0:
        transaction.on_commit(partial(publish, count), robust=True)
