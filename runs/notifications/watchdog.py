"""The watchdog: looks for silence and sends mail from the beat process too.

The sweep does both in every worker; without any worker nobody would notice that there is none.
"""

from __future__ import annotations

import logging
import threading

from django.db import connections

from runs.notifications.alarms import alarms_check
from runs.notifications.delivery import mails_send

logger = logging.getLogger(__name__)

ROUND_SECONDS = 20.0


def run_forever(stop: threading.Event, *, every: float = ROUND_SECONDS) -> None:
    """A round every 20 seconds until `stop` is set."""
    while not stop.wait(every):
        for duty in (alarms_check, mails_send):
            try:
                duty()
            except Exception:  # the border of a thread that must never end: the next round tries again
                logger.exception("action=watchdog_failed duty=%s", duty.__name__)
        connections.close_all()


def start_thread() -> threading.Event:
    """Start it beside whatever this process does; setting the event that comes back ends it."""
    stop = threading.Event()
    threading.Thread(target=run_forever, args=(stop,), name="watchdog", daemon=True).start()
    return stop
