"""The words of a mail about an incident: subject and text, for one person and in their time zone.

What an error said can hold personal data of patients, so it stays out unless the project ticked it; the platform's
own words (alarms, a paused job) are always there. Every name is made one line first: a name with a line break
must neither break a header nor forge a line of the text.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string

from openfn_platform.common.text import one_line, plural, storable
from runs.models import Incident
from runs.models.incident import OWN_WORDS, IncidentKind
from runs.notifications.hints import hint_of
from runs.notifications.links import incident_url, run_url
from runs.notifications.outlook import outlook_of
from runs.notifications.recipients import Audience, Recipient

OPENED, REMINDER, CLOSED, LIST, EXPIRY = "opened", "reminder", "closed", "list", "expiry"
PLATFORM = "Platform"
OTHERS_NAMED = 10

_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, kw_only=True)
class Letter:
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is the same for everybody who gets the mail."""

    subject: str
    title: str
    said: str
    text_is_elsewhere: bool
    project: str
    often: str
    outlook: str
    hint: str
    taken_by: str
    closing: str
    url: str
    run_url: str


def facts_of(*, incident: Incident, kind: str) -> Facts:
    shows = incident.kind in OWN_WORDS or (incident.project is not None and incident.project.mail_shows_text)
    return Facts(
        subject=_subject(incident, kind),
        title=one_line(incident.title, 200),
        said=one_line(incident.message, 500) if shows else "",
        text_is_elsewhere=bool(incident.message) and not shows,
        project=one_line(incident.project.name, 120) if incident.project else "",
        often=f"{incident.count:,} times" if incident.count > 1 else "once",
        outlook=outlook_of(incident=incident) if kind != CLOSED else "",
        hint=hint_of(incident=incident),
        taken_by=one_line(str(incident.taken_by), 80) if incident.taken_by else "",
        closing=_closing(incident, shows),
        url=incident_url(incident),
        run_url=run_url(incident.last_run_id) if incident.last_run_id else "",
    )


def letter_write(
    *, kind: str, facts: Facts, incident: Incident, recipient: Recipient, audience: Audience
) -> Letter:
    text = render_to_string(
        f"mail/{kind}.txt",
        asdict(facts)
        | {
            "since": time_for(incident.opened_at, recipient),
            "last": time_for(incident.last_at, recipient) if incident.count > 1 else "",
            "until": time_for(incident.closed_at, recipient) if incident.closed_at else "",
            "others": _others(audience, recipient),
            "nobody_subscribed": audience.nobody_subscribed,
        },
    )
    return Letter(subject=facts.subject, text=tidy(text))


def tidy(text: str) -> str:
    """What a template leaves behind: runs of empty lines, and characters that cannot be stored or shown."""
    return _EMPTY_LINES.sub("\n\n", storable(text)).strip() + "\n"


def time_for(at: datetime, recipient: Recipient) -> str:
    """`Friday 7 March 2025, 23:05 (Africa/Nairobi)`"""
    try:
        zone: str = recipient.time_zone
        local = at.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):  # a zone that vanished from the time zone database
        zone = "UTC"
        local = at.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({zone})"


def _subject(incident: Incident, kind: str) -> str:
    """Each part is cut by itself, so that a long name never pushes the error and the count out of sight."""
    where = one_line(incident.project.name, 40) if incident.project else PLATFORM
    if incident.kind == IncidentKind.RUN and incident.job is not None:
        what = one_line(incident.job.name, 50)
        count = plural(incident.count, "run" if incident.error_type == "Problems" else "failure")
    else:
        what, count = one_line(incident.title, 80), ""
    error = "" if incident.kind in OWN_WORDS else one_line(incident.error_type, 30)
    if incident.error_type == "Problems":
        error = "records refused"
    ending = {
        OPENED: error,
        REMINDER: f"still {error}" if error else "still",
        CLOSED: f"{_closing_word(incident)} after {error}" if error else _closing_word(incident),
    }[kind]
    subject = f"[{where}] {what}" + (f": {ending}" if ending else "") + (f" ({count})" if count else "")
    return one_line(subject, 150)


def _closing_word(incident: Incident) -> str:
    return "put aside" if incident.closed_reason.startswith(("Dismissed", "All its")) else "well again"


def _closing(incident: Incident, shows: bool) -> str:
    """Why it closed. The reason that a person typed may quote what the error said, so it follows the same rule."""
    reason = one_line(incident.closed_reason, 300)
    if reason.startswith("Dismissed by ") and not shows:
        return reason.partition(":")[0] + "."
    return reason


def _others(audience: Audience, recipient: Recipient) -> str:
    names = [person.name for person in audience.people if person.email != recipient.email]
    if len(names) > OTHERS_NAMED:
        names = [*names[:OTHERS_NAMED], f"{len(names) - OTHERS_NAMED} more"]
    return ", ".join(names)
