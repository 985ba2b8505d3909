"""Whether the platform is alive: the clock's bells, the workers' heartbeats, the mails that wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils import timezone

from openfn_platform.projects.actors import Actor
from openfn_platform.projects.scoping import scoped
from runs.models import Notification, NotificationState, WorkerHeartbeat
from triggers.clock import BELLS
from triggers.models import ClockRing

SILENT_AFTER = timedelta(seconds=60)
MAIL_LATE_AFTER = timedelta(minutes=15)
WORDS = {"triggers.fire_due": "Schedules", "runs.sweep": "Sweep"}
MEANINGS = {
    "triggers.fire_due": "Looks which schedules are due, and starts their jobs.",
    "runs.sweep": "Finds what was left behind: runs of dead workers, retries that are due, mails to send.",
}


@dataclass(frozen=True, kw_only=True)
class Bell:
    """One of the clock's two."""

    task: str
    rung_at: datetime | None
    rung_by: str
    every: int  # seconds

    @property
    def name(self) -> str:
        return WORDS.get(self.task, self.task)

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.task, "")

    @property
    def silent(self) -> bool:
        return self.rung_at is None or timezone.now() - self.rung_at > SILENT_AFTER

    @property
    def ago(self) -> str:
        return ago(self.rung_at)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker process that was heard lately."""

    name: str
    host: str
    running: int
    capacity: int
    confinement: str
    beat_at: datetime
    started_at: datetime

    @property
    def silent(self) -> bool:
        return timezone.now() - self.beat_at > SILENT_AFTER

    @property
    def ago(self) -> str:
        return ago(self.beat_at)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Whether mails get out."""

    waiting: int
    late: int
    given_up: int
    last_sent_at: datetime | None
    way: str


@dataclass(frozen=True, kw_only=True)
class Pulse:
    bells: tuple[Bell, ...]
    workers: tuple[Worker, ...]
    mail: Mail

    @property
    def alive(self) -> tuple[Worker, ...]:
        return tuple(worker for worker in self.workers if not worker.silent)

    @property
    def clock_silent(self) -> bool:
        return any(bell.silent for bell in self.bells)


def pulse(*, actor: Actor) -> Pulse:
    """Three queries. The mails are those of the actor's projects; superusers see them all."""
    rung = {ring.task: ring for ring in ClockRing.objects.all()}
    bells = tuple(
        Bell(
            task=task,
            rung_at=rung[task].rung_at if task in rung else None,
            rung_by=rung[task].rung_by if task in rung else "",
            every=seconds,
        )
        for task, seconds in BELLS.items()
    )
    day_ago = timezone.now() - timedelta(days=1)
    heard = WorkerHeartbeat.objects.filter(stopped_at=None, beat_at__gte=day_ago).order_by("-beat_at")[:50]
    workers = tuple(
        Worker(
            name=row.name,
            host=row.host,
            running=row.running,
            capacity=row.capacity,
            confinement=row.confinement,
            beat_at=row.beat_at,
            started_at=row.started_at,
        )
        for row in heard
    )
    return Pulse(bells=bells, workers=workers, mail=_mail(actor))


def _mail(actor: Actor) -> Mail:
    week_ago = timezone.now() - timedelta(days=7)
    waiting = Q(state=NotificationState.WAITING)
    mails = Notification.objects.all()
    seen = mails if actor.is_superuser else scoped(mails, actor)
    found = seen.filter(Q(created_at__gte=week_ago) | waiting).aggregate(
        waiting=Count("pk", filter=waiting),
        late=Count("pk", filter=waiting & Q(created_at__lt=timezone.now() - MAIL_LATE_AFTER)),
        given_up=Count("pk", filter=Q(state=NotificationState.GIVEN_UP)),
        last=Max("sent_at"),
    )
    if settings.MAIL_DIR:
        way = "written to a folder"
    elif settings.EMAIL_HOST:
        way = f"sent by {settings.EMAIL_HOST}"
    else:
        way = "no mail server is set: set SMTP_HOST"
    return Mail(
        waiting=found["waiting"],
        late=found["late"],
        given_up=found["given_up"],
        last_sent_at=found["last"],
        way=way,
    )


def ago(moment: datetime | None) -> str:
    """“3 s ago”, short enough for a list."""
    if moment is None:
        return "never"
    seconds = max(0, int((timezone.now() - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
