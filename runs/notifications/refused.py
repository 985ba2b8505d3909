"""The alarm when something that opened an inbox is refused there: it was revoked, has expired, or is mistyped.

The sender goes on sending and its messages are lost, often for days, until somebody misses them. The inbox notes
what was refused (`triggers.noting`); here it becomes one incident of the project. There is one alarm and no second
one until it has worked again: who revoked a key on purpose wants to hear once that somebody still uses it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from openfn_platform.common.text import one_line
from runs.incidents import alarm_clear, alarm_raise
from runs.models.incident import KEY_REFUSED
from triggers.models import InboxAuth
from triggers.models.inbox import AuthKind

# Somebody mistyped a key that is still good: an alarm if it does not work within so long.
PATIENCE = timedelta(minutes=10)
# Use is noted once a minute, so one noted shortly before a refusal may be as late as that.
NOTED_LATE = timedelta(minutes=1)
SILENT_AFTER = timedelta(days=1)
AT_ONCE = 50

_NOUNS = {AuthKind.KEY: "key", AuthKind.BASIC: "password", AuthKind.HMAC: "signing secret"}


def refusals_tell() -> None:
    """Raise the alarms that are due, and clear those that are over. Any number of sweeps may do it at once."""
    with transaction.atomic():
        rows = InboxAuth.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        due = rows.select_related("inbox").filter(_due()).order_by("refused_since")
        for auth in due[:AT_ONCE]:
            _judge(auth)


def _due() -> Q:
    """Those about which something changes: nearly always none, and a partial index says so."""
    ended = Q(revoked_at__isnull=False) | Q(expires_at__lte=Now())
    told = Q(refusal_told_at__isnull=False, last_used_at__lt=F("refusal_told_at"))
    impatient = Q(refused_since__lt=Now() - Value(PATIENCE))
    return Q(refused_since__isnull=False, last_used_at__isnull=False) & (
        (~ended & _WORKS)
        | (~told & Q(inbox__archived_at=None) & (ended | impatient))
        | Q(refused_at__lt=Now() - Value(SILENT_AFTER))
    )


_WORKS = Q(last_used_at__gt=F("refused_at") - Value(NOTED_LATE))


def _judge(auth: InboxAuth) -> None:
    now = timezone.now()
    if auth.refused_at is None or auth.last_used_at is None:
        return
    ended = _ended(auth, now)
    if not ended and auth.last_used_at > auth.refused_at - NOTED_LATE:
        _forget(auth)
    elif auth.refused_at < now - SILENT_AFTER:
        _let_rest(auth)
    else:
        _raise(auth, ended)


def _ended(auth: InboxAuth, now: datetime) -> str:
    """Why it can open nothing any more; empty while it could."""
    if auth.revoked_at is not None:
        return f"was revoked on {auth.revoked_at:%d %B %Y}"
    if auth.expires_at is not None and auth.expires_at <= now:
        return f"expired on {auth.expires_at:%d %B %Y}"
    return ""


def _raise(auth: InboxAuth, ended: str) -> None:
    noun, name = _NOUNS[AuthKind(auth.kind)], one_line(auth.name, 60)
    if ended:
        what = f"Messages still come with the {noun} “{name}”, which {ended}."
    else:
        what = f"Messages come with something like the {noun} “{name}” that is not it, and none with the right one."
    alarm_raise(
        name=_name(auth),
        title=f"The inbox “{one_line(auth.inbox.name, 60)}” refuses the {noun} “{name}”",
        message=f"{what} They are refused and not kept.",
        project_id=auth.project_id,
        error_type=KEY_REFUSED,
    )
    InboxAuth.objects.filter(pk=auth.pk).update(refusal_told_at=Now())


def _forget(auth: InboxAuth) -> None:
    """It works again, so the next time is told anew."""
    if auth.refusal_told_at is not None:
        alarm_clear(name=_name(auth), project_id=auth.project_id, reason="It opens the inbox again.")
    InboxAuth.objects.filter(pk=auth.pk).update(refused_since=None, refused_at=None, refusal_told_at=None)


def _let_rest(auth: InboxAuth) -> None:
    """It is over, but that somebody was told stays known: the next one with the same old key is no news."""
    alarm_clear(name=_name(auth), project_id=auth.project_id, reason="Nothing came with it for a day.")
    InboxAuth.objects.filter(pk=auth.pk).update(refused_since=None, refused_at=None)


def _name(auth: InboxAuth) -> str:
    return f"inbox-key/{auth.pk}"
