"""What the page of one incident shows: its course, its runs with what became of each, its mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from runs.models import FAILED_STATES, Incident, Notification, Run
from runs.selectors.trees import light
from runs.words import said

MOST_RUNS = 100
MOST_MAILS = 200


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One failed run and what became of it."""

    run: Run
    newest: Run | None  # the newest attempt after it

    @property
    def under_way(self) -> bool:
        return self.newest is not None and not self.newest.is_final


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the timeline."""

    at: datetime
    text: str
    tone: str = "plain"


def repairs(*, incident: Incident) -> tuple[list[Repair], bool]:
    """The newest failures of the incident, and whether there are more. Two queries."""
    rows = light(Run.objects.filter(incident=incident)).select_related("job", "dismissed_by")
    failed = list(rows.order_by("-id")[: MOST_RUNS + 1])
    cut = len(failed) > MOST_RUNS
    failed = failed[:MOST_RUNS]
    chains = {run.root_id or run.pk for run in failed}
    newest: dict[object, Run] = {}
    for attempt in light(Run.objects.filter(root__in=chains)).select_related("job").order_by("attempt", "id"):
        newest[attempt.root_id] = attempt
    found = []
    for run in failed:
        last = newest.get(run.root_id or run.pk)
        found.append(
            Repair(run=run, newest=last if last is not None and last.attempt > run.attempt else None)
        )
    return found, cut


def unrepaired(*, incident: Incident) -> QuerySet[Run]:
    """Its failures that nobody retried, caught or put aside, in order of arrival."""
    return (
        light(
            Run.objects.filter(incident=incident, state__in=FAILED_STATES, dismissed_at=None, handled=False)
        )
        .filter(retries__isnull=True)
        .select_related("job", "project")
        .order_by("lane", "attempt")
    )


def mails(*, incident: Incident) -> list[Notification]:
    return list(Notification.objects.filter(incident=incident).defer("text").order_by("id")[:MOST_MAILS])


def timeline(*, incident: Incident, letters: Sequence[Notification], sees: bool) -> list[Step]:
    """From the first failure to the all-clear, for somebody who may or may not see data."""
    steps = [Step(at=incident.opened_at, text="It began.", tone="bad")]
    by_kind: dict[tuple[str, str], list[Notification]] = {}
    for mail in letters:
        by_kind.setdefault((mail.kind, mail.cause), []).append(mail)
    words = {"opened": "Mail that it began", "reminder": "Reminder", "closed": "Mail that it is over"}
    for (kind, _cause), group in by_kind.items():
        told = ", ".join(mail.recipient for mail in group[:5])
        more = f" and {len(group) - 5} more" if len(group) > 5 else ""
        steps.append(Step(at=group[0].created_at, text=f"{words.get(kind, 'Mail')} to {told}{more}."))
    if incident.taken_at is not None:
        steps.append(
            Step(at=incident.taken_at, text=f"{incident.taken_by or 'Somebody'} looks after it.", tone="good")
        )
    if incident.count > 1:
        steps.append(Step(at=incident.last_at, text=f"Last time, {incident.count:,} times in all."))
    if incident.closed_at is not None:
        why = said(incident.closed_reason, sees=sees)
        steps.append(Step(at=incident.closed_at, text=f"Closed. {why}", tone="good"))
    return sorted(steps, key=lambda step: step.at)
