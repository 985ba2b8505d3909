"""Incidents: equal failures taken together, from the first to the all-clear.

Two failures are equal when job, error type and message agree, the message without its quoted parts and numbers.
One row is open per fingerprint; a constraint says so, and counting up is one statement. Mails are written to
the outbox in the same transaction as what they tell.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models import Job
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.ids import uuid7
from openfn_platform.common.prepared import fetch_prepared
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import By, as_actor, author_of, require, require_superuser
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs.ending import Ending
from runs.models import ConnectionHold, Incident, Run, RunState
from runs.models.incident import IncidentKind
from runs.models.run import FAILED_STATES
from runs.notifications import outbox
from runs.unkept import wipe_note
from runs.work_orders import work_order_lock, work_order_refresh

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|'[^']*'|`[^`]*`|«[^»]*»")
_NUMBER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27,}|\d+")

FIRST_REMINDER = timedelta(hours=1)


class IncidentClosed(Conflict):
    """This incident is closed already."""

    code = "incident_closed"


def message_pattern(message: str) -> str:
    """The message without what differs from case to case."""
    return " ".join(_NUMBER.sub("#", _QUOTED.sub("…", message.lower())).split())


def fingerprint(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "replace")).hexdigest()


def failure_fingerprint(*, job_id: uuid.UUID, error_type: str, message: str) -> str:
    """What equal failures of a job have in common."""
    return fingerprint("run", job_id, error_type, message_pattern(message))


# --- what the engine reports ----------------------------------------------------------------------


def note_ending(*, run: Run, ending: Ending) -> None:
    """Open, count or close incidents because a run ended for good. In the finish's transaction."""
    if ending.failed:
        failure = ending.failure
        error_type = failure.type if failure else str(ending.state)
        message = failure.message if failure else ""
        incident = _open_or_count(
            project_id=run.project_id,
            kind=IncidentKind.RUN,
            job_id=run.job_id,
            mark=failure_fingerprint(job_id=run.job_id, error_type=error_type, message=message),
            error_type=error_type,
            title=f"{run.job.name} failed: {error_type}",
            message=message,
            run_id=run.pk,
        )
        Run.objects.filter(pk=run.pk).update(incident_id=incident)
        return
    version = run.job_version
    if version is not None and ending.problem_count > version.problems_allowed:
        incident = _open_or_count(
            project_id=run.project_id,
            kind=IncidentKind.RUN,
            job_id=run.job_id,
            mark=fingerprint("problems", run.job_id),
            error_type="Problems",
            title=f"{run.job.name} succeeded with refused records",
            message=f"{ending.problem_count} records were refused.",
            run_id=run.pk,
        )
        Run.objects.filter(pk=run.pk).update(incident_id=incident)
        return
    if ending.state == RunState.SUCCESS:
        _close_of_job(run)


def _close_of_job(run: Run) -> None:
    """The all-clear: a success of something that came in later, or of the last repair that was missing."""
    if not fetch_prepared(_ANY_OPEN, [run.project_id, run.job_id]):
        return  # nearly always: every successful run asks this
    for incident in Incident.objects.select_for_update(no_key=True).filter(
        job_id=run.job_id, project_id=run.project_id, closed_at=None, kind=IncidentKind.RUN
    ):
        if run.retry_of_id is not None:
            well = not _unrepaired(incident).exists()
        else:
            newest = Run.objects.filter(pk__in=[incident.last_run_id]).values_list("lane", flat=True).first()
            well = newest is None or run.lane > newest
        if well:
            _close(incident, "It works again.")


def _unrepaired(incident: Incident) -> Any:
    """Failed runs of the incident that nobody retried, dismissed or caught."""
    return Run.objects.filter(
        incident=incident, state__in=FAILED_STATES, dismissed_at=None, retries__isnull=True, handled=False
    )


def job_paused(*, job: Job, count: int, run: Run) -> None:
    _open_or_count(
        project_id=job.project_id,
        kind=IncidentKind.PAUSE,
        job_id=job.pk,
        mark=fingerprint("pause", job.pk),
        error_type="JobPaused",
        title=f"{job.name} was paused: its process died {count} times in a row",
        message="Its runs wait until somebody has looked at it and switches it on again.",
        run_id=run.pk,
    )


def job_resumed(*, job: Job) -> None:
    for incident in Incident.objects.select_for_update(no_key=True).filter(
        project_id=job.project_id, fingerprint=fingerprint("pause", job.pk), closed_at=None
    ):
        _close(incident, "Somebody switched the job on again.")


def connection_held(*, hold: ConnectionHold, name: str, message: str, run: Run) -> None:
    _open_or_count(
        project_id=hold.project_id,
        kind=IncidentKind.HOLD,
        job_id=None,
        mark=fingerprint("hold", hold.credential_id),
        error_type="AuthError" if hold.because_of_auth else "ConnectionError",
        title=f"The connection “{name}” is on hold",
        message=f"{hold.reason} {message}",
        run_id=run.pk,
    )


def connection_released(*, hold: ConnectionHold) -> None:
    for incident in Incident.objects.select_for_update(no_key=True).filter(
        project_id=hold.project_id, fingerprint=fingerprint("hold", hold.credential_id), closed_at=None
    ):
        _close(incident, "The system answers again.")


def alarm_raise(
    *, name: str, title: str, message: str, project_id: uuid.UUID | None = None, error_type: str = "Alarm"
) -> None:
    """Something is silent (clock, workers, mail). Counts once while it lasts."""
    mark = fingerprint("alarm", name, project_id)
    with transaction.atomic():
        if not Incident.objects.filter(_of_project(project_id), fingerprint=mark, closed_at=None).exists():
            _open_or_count(
                project_id=project_id,
                kind=IncidentKind.ALARM,
                job_id=None,
                mark=mark,
                error_type=error_type,
                title=title,
                message=message,
                run_id=None,
            )


def alarm_clear(*, name: str, project_id: uuid.UUID | None = None, reason: str = "It is back.") -> None:
    with transaction.atomic():
        for incident in Incident.objects.select_for_update(no_key=True).filter(
            _of_project(project_id), fingerprint=fingerprint("alarm", name, project_id), closed_at=None
        ):
            _close(incident, reason)


def _of_project(project_id: uuid.UUID | None) -> Q:
    """Alarms belong to no project."""
    return Q(project__isnull=True) if project_id is None else Q(project_id=project_id)


# --- what people do -------------------------------------------------------------------------------


@transaction.atomic
def incident_take(*, incident: Incident, by: By) -> None:
    """Somebody looks after it; the others see who."""
    _may_decide(incident, by)
    changed = Incident.objects.filter(pk=incident.pk, closed_at=None).update(
        taken_by=author_of(by), taken_at=Now()
    )
    if not changed:
        raise IncidentClosed()
    audit("incident taken", by, project=incident.project, target=incident)


@transaction.atomic
def incident_untake(*, incident: Incident, by: By) -> None:
    """Nobody looks after it any more; the others see that, too."""
    _may_decide(incident, by)
    row = Incident.objects.select_for_update(no_key=True).get(pk=incident.pk)
    if row.closed_at is not None:
        raise IncidentClosed()
    if row.taken_at is None:
        raise Conflict("Nobody looks after this incident yet.")
    changes = {"taken_by": [str(row.taken_by) if row.taken_by else None, None]}
    Incident.objects.filter(pk=row.pk).update(taken_by=None, taken_at=None)
    audit("incident given back", by, project=row.project, target=row, changes=changes)


@transaction.atomic
def incident_dismiss(*, incident: Incident, by: By, reason: str) -> None:
    """Put its failures aside, with a reason: their work orders no longer count as failed."""
    _may_decide(incident, by)
    reason = _reason(reason)
    row = Incident.objects.select_for_update(no_key=True).get(pk=incident.pk)
    if row.closed_at is not None:
        raise IncidentClosed()
    runs = Run.objects.filter(incident=row, state__in=FAILED_STATES, dismissed_at=None)
    work_orders = sorted(set(runs.values_list("work_order_id", flat=True)))
    runs.update(dismissed_at=Now(), dismissed_by=author_of(by), dismissed_reason=reason)
    for work_order_id in work_orders:
        work_order_lock(work_order_id=work_order_id)
        work_order_refresh(work_order_id=work_order_id)
    _close(row, f"Dismissed by {as_actor(by).name}: {reason}")
    audit("incident dismissed", by, project=row.project, target=row, changes={"reason": reason})


@transaction.atomic
def run_dismiss(*, run: Run, by: By, reason: str) -> None:
    """Put one failed run aside. The incident closes with the last of its failures."""
    require(by, run.project_id, Role.OPERATOR)
    reason = _reason(reason)
    changed = Run.objects.filter(pk=run.pk, state__in=FAILED_STATES, dismissed_at=None).update(
        dismissed_at=Now(), dismissed_by=author_of(by), dismissed_reason=reason
    )
    if not changed:
        raise Conflict("Only a failed run that nobody has dismissed yet can be dismissed.")
    audit("run dismissed", by, project=run.project, target=run, changes={"reason": reason})
    work_order_lock(work_order_id=run.work_order_id)
    wipe_note(project=run.project, work_order_id=run.work_order_id)
    work_order_refresh(work_order_id=run.work_order_id)
    if run.incident_id is not None:
        incident = Incident.objects.select_for_update(no_key=True).get(pk=run.incident_id)
        if incident.closed_at is None and not _unrepaired(incident).exists():
            _close(incident, "All its failures were retried or dismissed.")


def _reason(text: str) -> str:
    reason = one_line(text, 300)
    if not reason:
        raise Invalid("Say why; others read it.", field="reason")
    return reason


def _may_decide(incident: Incident, by: By) -> None:
    """Alarms of the installation belong to no project."""
    if incident.project_id is None:
        require_superuser(by)
    else:
        require(by, incident.project_id, Role.OPERATOR)


_ANY_OPEN = "SELECT 1 FROM incident WHERE project_id = %s AND job_id = %s AND closed_at IS NULL LIMIT 1"

# --- rows -----------------------------------------------------------------------------------------

_UPSERT = """
INSERT INTO incident (id, project_id, kind, job_id, fingerprint, error_type, title, message, count, last_run_id,
                      closed_reason, reminders, next_reminder_at)
VALUES (%(id)s, %(project)s, %(kind)s, %(job)s, %(mark)s, %(type)s, %(title)s, %(message)s, 1, %(run)s, '', 0,
        now() + make_interval(secs => %(reminder)s))
ON CONFLICT (project_id, fingerprint) WHERE closed_at IS NULL DO UPDATE
SET count = incident.count + 1, last_at = now(), message = excluded.message, last_run_id = excluded.last_run_id
RETURNING id, count
"""


def _open_or_count(
    *,
    project_id: uuid.UUID | None,
    kind: str,
    job_id: uuid.UUID | None,
    mark: str,
    error_type: str,
    title: str,
    message: str,
    run_id: uuid.UUID | None,
) -> uuid.UUID:
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            {
                "id": uuid7(),
                "project": project_id,
                "kind": kind,
                "job": job_id,
                "mark": mark,
                "type": error_type[:60],
                "title": one_line(title, 200),
                "message": one_line(message, 500),
                "run": run_id,
                "reminder": FIRST_REMINDER.total_seconds(),
            },
        )
        incident_id, count = cursor.fetchone()
    if count == 1:
        outbox.incident_opened(incident=Incident.objects.select_related("project", "job").get(pk=incident_id))
    return uuid.UUID(str(incident_id))


def _close(incident: Incident, reason: str) -> None:
    closed = Incident.objects.filter(pk=incident.pk, closed_at=None).update(
        closed_at=Now(), closed_reason=one_line(reason, 300), next_reminder_at=None
    )
    if closed:
        incident.refresh_from_db()
        outbox.incident_closed(incident=incident)
