"""The outbox: mails are written in the transaction of what they tell, and sent later.

`unique(kind, cause, recipient)` makes every mail exist exactly once per cause, however often and by however many
processes the cause is reported.
"""

from __future__ import annotations

from openfn_platform.common.ids import uuid7
from runs.models import Incident, Notification
from runs.notifications.letters import CLOSED, OPENED, REMINDER, facts_of, letter_write
from runs.notifications.recipients import audience_of


def incident_opened(*, incident: Incident) -> None:
    """Tell everybody concerned that it has begun. In the caller's transaction."""
    _tell(incident=incident, kind=OPENED, cause=str(incident.pk))


def incident_closed(*, incident: Incident) -> None:
    """Tell everybody concerned that it is over. In the caller's transaction."""
    _tell(incident=incident, kind=CLOSED, cause=str(incident.pk))


def incident_reminded(*, incident: Incident, number: int) -> None:
    """Tell everybody concerned, for the `number`th time, that it still lasts. In the caller's transaction."""
    _tell(incident=incident, kind=REMINDER, cause=f"{incident.pk}/{number}")


def _tell(*, incident: Incident, kind: str, cause: str) -> None:
    audience = audience_of(project_id=incident.project_id)
    facts = facts_of(incident=incident, kind=kind)
    letters = [
        (
            person,
            letter_write(kind=kind, facts=facts, incident=incident, recipient=person, audience=audience),
        )
        for person in audience.people
    ]
    Notification.objects.bulk_create(
        [
            Notification(
                id=uuid7(),
                project_id=incident.project_id,
                incident=incident,
                kind=kind,
                cause=cause,
                recipient=person.email,
                subject=letter.subject,
                text=letter.text,
            )
            for person, letter in letters
        ],
        ignore_conflicts=True,
    )
