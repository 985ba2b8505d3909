"""Alarms on silence: the clock, the workers, the mail, the schedules.

They are incidents without a project, so they are mailed to those who run the installation and shown on the
dashboard, which also tells of the one that no mail can tell. A process judges only when it has itself been up for a
minute: when everything was just started, what has not spoken yet is not silent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet, Value
from django.db.models.functions import Now

from runs import firing
from runs.incidents import alarm_clear, alarm_raise, fingerprint
from runs.models import Notification, WorkerHeartbeat
from runs.models.incident import NotificationState
from triggers.models import ClockRing

BEAT = "beat"  # the row of the ring that came from beat itself
CLOCK_SILENT = timedelta(seconds=60)
NEVER_RUNG = timedelta(minutes=2)
WORKER_SILENT = timedelta(seconds=30)
MAIL_STUCK = timedelta(minutes=15)
GIVEN_UP_LATELY = timedelta(days=1)
SETTLED_SECONDS = 60.0

_loaded_at = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Alarm:
    name: str
    title: str
    message: str


CLOCK = Alarm(
    name="clock",
    title="The clock is silent",
    message="Celery beat has not rung for a minute: it, or Redis between it and the workers, is not running. The "
    "workers ring for it meanwhile, so schedules still fire.",
)
WORKERS = Alarm(
    name="workers",
    title="No worker is running",
    message="Messages are taken in and stored, but no run starts until a worker is started.",
)
MAIL = Alarm(
    name="mail",
    title="Mails cannot be delivered",
    message="Some mail has been tried for more than 15 minutes. None is lost: they are sent when the mail server "
    "takes them. The list of mails shows what it says.",
)
GIVEN_UP = Alarm(
    name="mail-given-up",
    title="Mails were given up",
    message="An address or a mail was refused for days. The list of mails shows which, and what the server said; "
    "correct the address or the settings of the mail server.",
)
SCHEDULES = Alarm(
    name="schedules",
    title="Schedules are overdue",
    message="Times of schedules passed more than a minute ago and nothing has looked at them. They are caught up "
    "with, as each schedule says, when the clock and a worker run again.",
)


def alarms_check(*, up_for: float | None = None) -> None:
    """Raise and clear alarms. `up_for`: how many seconds this process has been looking on."""
    settled = (time.monotonic() - _loaded_at if up_for is None else up_for) >= SETTLED_SECONDS
    workers = _workers_alive()
    has_worker = workers.exists()
    _say(WORKERS, silent=not has_worker, settled=settled)
    _say(SCHEDULES, silent=firing.overdue() > 0, settled=settled)
    if has_worker:  # beat rings through a worker: without one, the alarm above has said it
        _say(CLOCK, silent=_clock_is_silent(workers), settled=settled)
    _say(MAIL, silent=_mail_is_stuck(), settled=True)
    _say(GIVEN_UP, silent=_mail_was_given_up(), settled=True)


def _say(alarm: Alarm, *, silent: bool, settled: bool) -> None:
    if not silent:
        alarm_clear(name=alarm.name)
    elif settled:
        alarm_raise(name=alarm.name, title=alarm.title, message=alarm.message)


def _workers_alive() -> QuerySet[WorkerHeartbeat]:
    return WorkerHeartbeat.objects.filter(stopped_at=None, beat_at__gt=Now() - Value(WORKER_SILENT))


def _clock_is_silent(workers: QuerySet[WorkerHeartbeat]) -> bool:
    if not settings.REDIS_URL:
        return False  # chosen so: without Redis beat reaches nobody, and the workers ring
    rings = ClockRing.objects.filter(task=BEAT)
    if rings.exists():
        return rings.filter(rung_at__lt=Now() - Value(CLOCK_SILENT)).exists()
    return workers.filter(started_at__lt=Now() - Value(NEVER_RUNG)).exists()


def _mail_is_stuck() -> bool:
    """Not counting the mails about this very alarm, or it could keep itself open."""
    return (
        Notification.objects.filter(
            state=NotificationState.WAITING, attempts__gt=0, created_at__lt=Now() - Value(MAIL_STUCK)
        )
        .exclude(incident__fingerprint=fingerprint("alarm", MAIL.name, None))
        .exists()
    )


def _mail_was_given_up() -> bool:
    """Within a day, and not a mail about an alarm: that would raise the next one, for ever."""
    return (
        Notification.objects.filter(
            state=NotificationState.GIVEN_UP, attempts__gt=0, next_try_at__gt=Now() - Value(GIVEN_UP_LATELY)
        )
        .exclude(incident__isnull=False, project__isnull=True)
        .exists()
    )
