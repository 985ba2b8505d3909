"""The alarm when messages still come with an API token that was revoked or has expired.

As for the keys of an inbox (`refused`), but a token belongs to the project and no inbox holds it: that it came is seen
in the list of refusals, by its first signs and the code of the answer. So nothing is noted for it at the door.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Now

from openfn_platform.common.text import one_line
from openfn_platform.projects.models import ApiToken, Scope
from openfn_platform.projects.tokens import ENDED
from runs.incidents import alarm_clear, alarm_raise, fingerprint
from runs.models import Incident
from runs.models.incident import KEY_REFUSED, IncidentKind
from triggers.authenticating import AccessExpired, AccessRevoked
from triggers.models import Refusal

SILENT_AFTER = timedelta(days=1)
AT_ONCE = 50


def refused_tokens_tell() -> None:
    """Raise the alarms that are due, and clear those that are over. Any number of sweeps may do it at once."""
    coming = list(_coming()[:AT_ONCE])
    for token in coming:
        if not _told(token):
            _raise(token)
    if len(coming) < AT_ONCE:
        _let_rest(coming)


def _coming() -> QuerySet[ApiToken]:
    """Tokens that worked, work no more, and came to an inbox within a day; with the inbox's name."""
    lately = Refusal.objects.filter(
        project_id=OuterRef("project_id"),
        key_prefix=OuterRef("prefix"),
        code__in=[AccessExpired.code, AccessRevoked.code],
        at__gt=Now() - Value(SILENT_AFTER),
        inbox__archived_at=None,
    )
    newest = lately.order_by("-id").values("inbox__name")[:1]
    return _worked().annotate(came_to=Subquery(newest)).filter(came_to__isnull=False).order_by("id")


def _worked() -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(ENDED, last_used_at__isnull=False, scopes__contains=[Scope.INTAKE])


def _told(token: ApiToken) -> bool:
    """Once in its life: a token that has ended never works again, and who put the alarm aside knows."""
    mark = fingerprint("alarm", _name(token), token.project_id)
    return Incident.objects.filter(project_id=token.project_id, fingerprint=mark).exists()


def _raise(token: ApiToken) -> None:
    name, inbox = one_line(token.name, 60), one_line(token.came_to, 60)  # type: ignore[attr-defined]  # annotated
    alarm_raise(
        name=_name(token),
        title=f"The inbox “{inbox}” refuses the API token “{name}”",
        message=f"Messages still come with the API token “{name}”, which {_ended(token)}. They are refused and not "
        "kept.",
        project_id=token.project_id,
        error_type=KEY_REFUSED,
    )


def _ended(token: ApiToken) -> str:
    at: datetime | None = token.revoked_at or token.expires_at
    return f"{'was revoked' if token.revoked_at else 'expired'} on {at:%d %B %Y}"


def _let_rest(coming: list[ApiToken]) -> None:
    """Alarms about tokens with which nothing came for a day."""
    alarms = Incident.objects.filter(kind=IncidentKind.ALARM, error_type=KEY_REFUSED, closed_at=None)
    lasting = dict(alarms.filter(project__isnull=False).values_list("fingerprint", "project_id"))
    if not lasting:
        return
    still = {token.pk for token in coming}
    for token in _worked().filter(project__in=set(lasting.values())).exclude(pk__in=still):
        if fingerprint("alarm", _name(token), token.project_id) in lasting:
            over = "Nothing came with it for a day."
            alarm_clear(name=_name(token), project_id=token.project_id, reason=over)


def _name(token: ApiToken) -> str:
    return f"inbox-token/{token.pk}"
