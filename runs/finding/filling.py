"""Taking out the words of what was stored: afterwards, so that neither inbox nor runs pay for it.

In the order in which messages came, runs ended and mails were written, a few seconds behind. What committed later
than its neighbours is made up for before a search (`words_complete`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from openfn_platform.projects.models import Project
from runs.finding.terms import rows_of
from runs.finding.texts import mail_texts, message_texts, run_texts
from runs.models import Housekeeping, Notification, Run, SearchPlace, SearchText
from runs.models.run import FINAL_STATES
from runs.payload_wiping import words_forget
from runs.retention.batches import column
from runs.retention.policy import floor
from triggers.models import Message

AT_ONCE = 100
BEHIND = timedelta(seconds=3)  # transactions that began earlier have ended by then, nearly always
LOOKED_BACK = timedelta(days=2)  # for those that had not

Pause = Callable[[float], bool]


def words_fill(*, seconds: float, pause: Pause) -> bool:
    """True: everything that there is has its words, but for the last few seconds."""
    until = time.monotonic() + seconds
    for fill in (_messages, _runs, _mails):
        while True:
            began = time.monotonic()
            if fill() < AT_ONCE:
                break
            if time.monotonic() > until or pause(time.monotonic() - began):
                return False
    return True


def words_complete(*, project: Project) -> None:
    """What was passed over, and the last few seconds: a search shall not depend on when it was asked."""
    since = timezone.now() - LOOKED_BACK
    for sql, from_, fill in (
        (_MISSING_MESSAGES, floor(since), messages_fill),
        (_MISSING_RUNS, since, runs_fill),
        (_MISSING_MAILS, floor(since), mails_fill),
    ):
        before: list[uuid.UUID] = []
        # The same ones again would be some whose text went away meanwhile.
        while (missing := column(sql, [project.pk, from_, AT_ONCE])) and missing != before:
            fill(missing)
            before = missing


_WITHOUT = "NOT EXISTS (SELECT FROM search_text t WHERE t.ref = x.id)"
_MISSING_MESSAGES = f"""
SELECT x.id FROM message x JOIN message_payload p ON p.message_id = x.id
WHERE x.project_id = %s AND x.id >= %s AND x.body_wiped_at IS NULL AND {_WITHOUT} LIMIT %s
"""  # noqa: S608 - our own words
_MISSING_RUNS = f"""
SELECT x.id FROM run x WHERE x.project_id = %s AND x.finished_at >= %s
AND x.wiped_at IS NULL AND {_WITHOUT} LIMIT %s
"""  # noqa: S608
_MISSING_MAILS = f"""
SELECT x.id FROM notification x WHERE x.project_id = %s AND x.id >= %s AND x.text <> '' AND {_WITHOUT} LIMIT %s
"""  # noqa: S608


# --- in order -------------------------------------------------------------------------------------


def _messages() -> int:
    row = _row("words-messages")
    rows = Message.objects.filter(pk__gt=_uuid(row.cursor), pk__lt=floor(timezone.now() - BEHIND))
    found = list(rows.order_by("id").values_list("pk", "body_wiped_at")[:AT_ONCE])
    messages_fill([key for key, wiped in found if wiped is None])
    return _moved(row, len(found), str(found[-1][0]) if found else "")


def _runs() -> int:
    row = _row("words-runs")
    at, _, key = row.cursor.partition(" ")
    after = datetime.fromisoformat(at) if at else datetime(1970, 1, 1, tzinfo=UTC)
    rows = Run.objects.filter(finished_at__gte=after, finished_at__lt=timezone.now() - BEHIND)
    rows = rows.exclude(Q(finished_at=after) & Q(pk__lte=_uuid(key)))
    found = list(rows.order_by("finished_at", "id").values_list("pk", "finished_at", "wiped_at")[:AT_ONCE])
    runs_fill([key for key, _, wiped in found if wiped is None])
    return _moved(row, len(found), _ended(found[-1][1], found[-1][0]) if found else "")


def _ended(at: datetime | None, key: uuid.UUID) -> str:
    return f"{at.isoformat() if at else ''} {key}"


def _mails() -> int:
    row = _row("words-mails")
    rows = Notification.objects.filter(pk__gt=_uuid(row.cursor), pk__lt=floor(timezone.now() - BEHIND))
    found = list(rows.order_by("id").values_list("pk", flat=True)[:AT_ONCE])
    mails_fill(found)
    return _moved(row, len(found), str(found[-1]) if found else "")


def _row(task: str) -> Housekeeping:
    return Housekeeping.objects.get_or_create(project=None, task=task)[0]


def _moved(row: Housekeeping, count: int, cursor: str) -> int:
    if count:
        Housekeeping.objects.filter(pk=row.pk).update(cursor=cursor)
    return count


def _uuid(text: str) -> uuid.UUID:
    return uuid.UUID(text) if text else uuid.UUID(int=0)


# --- some -----------------------------------------------------------------------------------------


def messages_fill(ids: list[uuid.UUID]) -> None:
    texts = message_texts(ids)
    projects = dict(Message.objects.filter(pk__in=ids).values_list("pk", "project_id"))
    _store((projects[key], SearchPlace.MESSAGE, key, said) for key, said in texts.items() if key in projects)
    words_forget(
        list(Message.objects.filter(pk__in=ids).exclude(body_wiped_at=None).values_list("pk", flat=True))
    )


def runs_fill(ids: list[uuid.UUID]) -> None:
    rows = list(Run.objects.filter(pk__in=ids, state__in=FINAL_STATES, wiped_at=None))
    _store((run.project_id, SearchPlace.RUN, run.pk, said) for run, said in run_texts(rows))
    words_forget(list(Run.objects.filter(pk__in=ids).exclude(wiped_at=None).values_list("pk", flat=True)))


def mails_fill(ids: list[uuid.UUID]) -> None:
    projects = dict(Notification.objects.filter(pk__in=ids).values_list("pk", "project_id"))
    _store(
        (projects[key], SearchPlace.MAIL, key, said)
        for key, said in mail_texts(ids).items()
        if projects.get(key) is not None
    )


def _store(found: Iterable[tuple[uuid.UUID, SearchPlace, uuid.UUID, Iterable[str]]]) -> None:
    """Written before it is looked whether the text was wiped meanwhile: what was wiped leaves no words behind."""
    batch: list[SearchText] = []
    for project, place, ref, texts in found:
        for part, words in enumerate(rows_of(texts)):
            batch.append(SearchText(project_id=project, place=place, ref=ref, part=part, words=words))
            if len(batch) >= AT_ONCE:
                SearchText.objects.bulk_create(batch, ignore_conflicts=True)
                batch = []
    SearchText.objects.bulk_create(batch, ignore_conflicts=True)
