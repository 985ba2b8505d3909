"""Delivery: what waits in the outbox is sent, and tried again until it got through.

Nothing is locked while a server is spoken to: mails are taken in one short transaction (`quota`), sent, and marked
in another. A sender that dies in between makes the mail due again after its lease; the duplicate that can come of it
carries the same Message-ID. A server that cannot be reached is tried once, and everything waits for it together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from runs.models import Notification
from runs.models.incident import NotificationState
from runs.notifications.personal import ACCOUNT, WIPED
from runs.notifications.post import SERVER_TROUBLE, Post, Trouble, Undelivered
from runs.notifications.quota import mails_give_back, mails_take, people_with_mail

logger = logging.getLogger(__name__)

SECONDS_PER_CALL = 30
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
REFUSED_AFTER = timedelta(days=1)  # the server says that there is no such address, again and again
TRIES_AT_LEAST = 10  # a platform that was off for a week has not tried for a week


def mail_is_configured() -> bool:
    """False: mails are written and wait; nothing is tried."""
    return bool(settings.MAIL_DIR or settings.EMAIL_HOST)


def mails_send() -> int:
    """Send what is due, for half a minute at most; returns how many got through. Safe to call at the same time."""
    if not mail_is_configured():
        return 0
    until = time.monotonic() + SECONDS_PER_CALL
    sent = 0
    with Post() as post:
        for recipient in people_with_mail():
            if time.monotonic() > until:
                break
            some, go_on = _send_to(post, mails_take(recipient=recipient), until)
            if some and not sent:
                _server_is_back()
            sent += some
            if not go_on:
                break
    return sent


def _send_to(post: Post, mails: list[Notification], until: float) -> tuple[int, bool]:
    """One person's mails: how many got through, and whether to go on with the next person."""
    sent = 0
    for position, mail in enumerate(mails):
        rest = mails[position + 1 :]
        if time.monotonic() > until:
            mails_give_back(mails=mails[position:])
            return sent, False
        try:
            post.send(mail)
        except Undelivered as error:
            logger.warning(
                "action=mail_not_sent mail=%s trouble=%s error=%s", mail.pk, error.trouble, error.sentence
            )
            if error.trouble == Trouble.MAIL:
                _put_off([mail], error)
                continue
            mails_give_back(mails=rest)
            _put_off([mail], error)
            return sent, error.trouble == Trouble.PERSON
        _mark_sent(mail)
        sent += 1
    return sent, True


def _mark_sent(mail: Notification) -> None:
    Notification.objects.filter(pk=mail.pk, state=NotificationState.WAITING).update(
        state=NotificationState.SENT,
        sent_at=Now(),
        error="",
        **({"text": WIPED} if mail.kind == ACCOUNT else {}),
    )


# Rows that another sender has just taken are passed over: it will say itself what became of them.
_PUT_OFF = """
UPDATE notification SET
    attempts = attempts + 1,
    sent_at = NULL,
    error = %(error)s,
    state = CASE WHEN attempts + 1 >= %(least)s AND created_at < statement_timestamp() - make_interval(secs => %(patience)s)
                 THEN 'given-up' ELSE state END,
    next_try_at = CASE WHEN attempts + 1 >= %(least)s AND created_at < statement_timestamp() - make_interval(secs => %(patience)s)
                       THEN statement_timestamp() ELSE statement_timestamp()
                            + make_interval(secs => least(%(longest)s, %(first)s * power(2, least(attempts, 10)))) END
WHERE id IN (
    SELECT id FROM notification
    WHERE state = 'waiting' AND (id = ANY(%(ids)s) OR (next_try_at <= statement_timestamp() AND (%(all)s OR recipient = %(person)s)))
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
"""


def _put_off(mails: Sequence[Notification], error: Undelivered) -> None:
    """Wait for the next try: the mail, with a refused address everything for it, with a dead server everything."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PUT_OFF,
            {
                "ids": [mail.pk for mail in mails],
                "all": error.trouble == Trouble.SERVER,
                "person": mails[0].recipient if error.trouble == Trouble.PERSON else None,
                "error": error.sentence,
                "least": TRIES_AT_LEAST,
                "patience": (REFUSED_AFTER if error.permanent else GIVEN_UP_AFTER).total_seconds(),
                "first": FIRST_WAIT.total_seconds(),
                "longest": LONGEST_WAIT.total_seconds(),
            },
        )


def _server_is_back() -> None:
    """A mail got through: those that waited only for the server need not wait any longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notification SET next_try_at = statement_timestamp() WHERE id IN (SELECT id FROM notification "
            "WHERE state = 'waiting' AND sent_at IS NULL AND next_try_at > statement_timestamp() AND starts_with(error, %s) "
            "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)",
            [SERVER_TROUBLE],
        )
