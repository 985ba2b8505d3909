"""At most ten mails an hour per person: which of somebody's waiting mails may go now.

The hour is the last sixty minutes. What is too much for it is held until the hour's end (its `next_try_at`) and is
then gathered into one list mail. Taking a mail writes `sent_at` and a lease before anything is sent, so that two
senders count each other's mails too; one that dies in between leaves rows that fall due again after the lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Min, QuerySet, Value
from django.db.models.functions import Now
from django.template.loader import render_to_string

from openfn_platform.common.ids import uuid7
from openfn_platform.common.text import one_line, plural
from runs.models import Incident, Notification
from runs.models.incident import NotificationState
from runs.notifications.letters import EXPIRY, LIST, PLATFORM, tidy, time_for
from runs.notifications.links import credential_url, incident_url, incidents_url
from runs.notifications.personal import ACCOUNT
from runs.notifications.recipients import Recipient, may_be_told, recipient_by_address

MAILS_AN_HOUR = 10
HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=5)  # longer than the slowest server may take over one person's mails
LISTED = 200
AT_ONCE = 5000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One incident in a list mail: the newest of the mails about it."""

    subject: str
    at: str
    more: str
    url: str


def people_with_mail(*, limit: int = 500) -> list[str]:
    """Addresses for which something is due, those first whose mails were tried least."""
    due = _waiting().filter(next_try_at__lte=Now()).values("recipient")
    order = due.annotate(least=Min("attempts"), first=Min("next_try_at")).order_by("least", "first")
    return [row["recipient"] for row in order[:limit]]


@transaction.atomic
def mails_take(*, recipient: str) -> list[Notification]:
    """Take what may go to this person now. The caller sends it, and marks it, or gives it back."""
    if not _alone_with(recipient):
        return []
    due = list(
        _waiting()
        .select_for_update(skip_locked=True, no_key=True)
        .filter(recipient=recipient, next_try_at__lte=Now())
        .order_by("attempts", "id")
        .defer("text")[:AT_ONCE]
    )
    personal = [mail for mail in due if mail.kind == ACCOUNT]
    due = _still_allowed(recipient, [mail for mail in due if mail.kind != ACCOUNT])
    fresh = [mail for mail in due if mail.kind != LIST and not _was_held(mail)]
    held = [mail for mail in due if mail.kind != LIST and _was_held(mail)]
    lists = [mail for mail in due if mail.kind == LIST]
    if len(held) > 1:
        lists.append(_gather(recipient, held))
    else:
        fresh = held + fresh
    sent, earliest = _sent_lately(recipient, due)
    free = max(0, MAILS_AN_HOUR - sent - len(lists))
    _hold(fresh[free:], earliest)
    taken = personal + lists + fresh[:free]
    Notification.objects.filter(pk__in=[mail.pk for mail in taken]).update(
        sent_at=Now(), next_try_at=Now() + Value(LEASE)
    )
    return taken


def mails_give_back(*, mails: Sequence[Notification]) -> None:
    """Mails that were taken and not tried: as they were."""
    for mail in mails:
        _waiting().filter(pk=mail.pk).update(sent_at=mail.sent_at, next_try_at=mail.next_try_at)


def _waiting() -> QuerySet[Notification]:
    return Notification.objects.filter(state=NotificationState.WAITING)


def _alone_with(recipient: str) -> bool:
    """One sender per person at a time, until the end of this short transaction: two would count past each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 811))", [recipient])
        got: bool = cursor.fetchone()[0]
    return got


def _still_allowed(recipient: str, due: list[Notification]) -> list[Notification]:
    """Mails wait for hours, sometimes days: whoever left a project meanwhile is not told about it any more."""
    standing = may_be_told(email=recipient)
    keep: list[Notification] = []
    gone: list[Notification] = []
    for mail in due:
        # A list about several projects was checked, mail by mail, when it was made.
        mixed = mail.kind == LIST and mail.project_id is None
        allowed = standing.active and (mixed or standing.covers(mail.project_id))
        (keep if allowed else gone).append(mail)
    if gone:
        Notification.objects.filter(pk__in=[mail.pk for mail in gone]).update(
            state=NotificationState.GIVEN_UP, attempts=0, error="The person may no longer be told about this."
        )
    return keep


def _was_held(mail: Notification) -> bool:
    """Put off by the quota, not by a failure, and not in the hands of a sender that died."""
    return mail.attempts == 0 and mail.sent_at is None and mail.next_try_at > mail.created_at


def _sent_lately(recipient: str, due: Sequence[Notification]) -> tuple[int, datetime | None]:
    lately = Notification.objects.filter(recipient=recipient, sent_at__gt=Now() - Value(HOUR))
    lately = lately.exclude(pk__in=[mail.pk for mail in due if mail.sent_at is not None])
    facts = lately.aggregate(count=Count("pk"), first=Min("sent_at"))
    return facts["count"], facts["first"]


def _hold(mails: Sequence[Notification], earliest: datetime | None) -> None:
    """Until the hour ends that began with the earliest mail. No failure: the count of attempts starts again."""
    if not mails:
        return
    begun = Now() if earliest is None else Value(earliest)
    Notification.objects.filter(pk__in=[mail.pk for mail in mails]).update(
        attempts=0, sent_at=None, error="", next_try_at=begun + Value(HOUR)
    )


def _gather(recipient: str, held: Sequence[Notification]) -> Notification:
    """One list in place of the held mails."""
    person = recipient_by_address(email=recipient)
    by_incident: dict[object, list[Notification]] = {}
    for mail in held:
        by_incident.setdefault(mail.incident_id or mail.pk, []).append(mail)
    listed = list(by_incident.values())[:LISTED]
    incidents = Incident.objects.in_bulk([mails[0].incident_id for mails in listed if mails[0].incident_id])
    projects = {mail.project_id for mail in held}
    only = held[0].project if len(projects) == 1 else None
    text = render_to_string(
        "mail/list.txt",
        {
            "total": len(held),
            "entries": [_entry(mails, incidents, person) for mails in listed],
            "left_out": plural(len(by_incident) - LISTED, "more incident")
            if len(by_incident) > LISTED
            else "",
            "url": incidents_url(),
        },
    )
    where = one_line(only.name, 40) if only else PLATFORM
    letter = Notification.objects.create(
        id=uuid7(),
        project=only,
        kind=LIST,
        cause=str(held[0].pk),
        recipient=recipient,
        subject=one_line(f"[{where}] {plural(len(held), 'more mail')} in one list", 150),
        text=tidy(text),
    )
    Notification.objects.filter(pk__in=[mail.pk for mail in held]).update(state=NotificationState.GATHERED)
    letter.refresh_from_db()
    return letter


def _page(mail: Notification) -> str:
    """Where a mail leads that is about no incident."""
    return credential_url(mail.cause.partition("/")[0]) if mail.kind == EXPIRY else incidents_url()


def _entry(mails: Sequence[Notification], incidents: dict[object, Incident], person: Recipient) -> Entry:
    newest = max(mails, key=lambda mail: mail.pk)
    incident = incidents.get(newest.incident_id)
    return Entry(
        subject=newest.subject,
        at=time_for(newest.created_at, person),
        more=plural(len(mails) - 1, "more mail") if len(mails) > 1 else "",
        url=incident_url(incident) if incident else _page(newest),
    )
