"""Holds: a connection whose partner is down, or whose password is wrong, is not tried a thousand times.

Five connection failures or two `AuthError` in a row put a connection (a credential in a project) on hold: the
runs of the jobs that use it wait as `available`, with the reason shown. The sweep lets one probe through a
minute; one that gets through warms the connection (five at once), the next good run opens it. After wrong
passwords nothing is probed until the credential was saved again and tested: a third try would lock the account.
A credential that was never seen to work is used by one run at a time, for the same reason. The limits
themselves are kept by the claim; here the stages move.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Value
from django.db.models.functions import Now

from jobs.models import JobConnection
from runs import incidents
from runs.contexts import connections_of
from runs.ending import Ending
from runs.models import ConnectionHold, Run, RunState
from runs.models.engine import HoldStage
from runs.permits import publish_on_commit

CONNECTION_FAILURES = 5
AUTH_FAILURES = 2
PROBE_EVERY = timedelta(minutes=1)
WARM_AT_ONCE = 5


def note_ending(*, run: Run, ending: Ending) -> None:
    """Count what a run's end says about its connections. In the finish's transaction."""
    failure = ending.failure
    if failure is not None and failure.kind in ("connection", "auth") and failure.connection:
        link = _link(run, failure.connection)
        if link is not None:
            _failed(run=run, credential_id=link, auth=failure.kind == "auth", message=failure.message)
        return
    if ending.state == RunState.SUCCESS and run.job_version is not None and connections_of(run.job_version):
        _worked(run)


def _link(run: Run, alias: str) -> uuid.UUID | None:
    return (
        JobConnection.objects.filter(version_id=run.job_version_id, alias=alias)
        .values_list("credential_id", flat=True)
        .first()
    )


def _failed(*, run: Run, credential_id: uuid.UUID, auth: bool, message: str) -> None:
    hold, _made = ConnectionHold.objects.get_or_create(
        credential_id=credential_id, defaults={"project_id": run.project_id}
    )
    hold = (
        ConnectionHold.objects.select_for_update(no_key=True)
        .select_related("credential__credential")
        .get(pk=hold.pk)
    )
    if auth:
        hold.auth_failures += 1
    else:
        hold.connection_failures += 1
    limit_reached = hold.auth_failures >= AUTH_FAILURES or hold.connection_failures >= CONNECTION_FAILURES
    name = hold.credential.credential.name
    if hold.stage != HoldStage.HELD and (limit_reached or hold.stage == HoldStage.WARMING):
        because = (
            "refuses the user name or password"
            if hold.auth_failures >= AUTH_FAILURES
            else "cannot be reached"
        )
        hold.stage = HoldStage.HELD
        hold.because_of_auth = hold.auth_failures >= AUTH_FAILURES
        hold.reason = f"The system behind “{name}” {because}."
        hold.save()
        ConnectionHold.objects.filter(pk=hold.pk).update(
            held_at=Now(), next_probe_at=Now() + Value(PROBE_EVERY)
        )
        incidents.connection_held(hold=hold, name=name, message=message, run=run)
        _tell_waiting(hold)
        return
    hold.save()


def _worked(run: Run) -> None:
    """A success counts for every connection of the job: it could not have come about without them."""
    rows = ConnectionHold.objects.filter(
        project_id=run.project_id, credential__connections__version_id=run.job_version_id
    ).exclude(stage=HoldStage.OPEN, connection_failures=0, auth_failures=0)
    for hold in rows.select_for_update(no_key=True, of=("self",)):
        if hold.stage == HoldStage.HELD:
            hold.stage = HoldStage.WARMING
            hold.connection_failures = hold.auth_failures = 0
            hold.save(update_fields=["stage", "connection_failures", "auth_failures"])
            publish_on_commit(WARM_AT_ONCE)
        else:
            hold_release(hold=hold)


def hold_release(*, hold: ConnectionHold) -> None:
    """Open the connection: everything that waited for it may run."""
    was = hold.stage
    ConnectionHold.objects.filter(pk=hold.pk).update(
        stage=HoldStage.OPEN,
        connection_failures=0,
        auth_failures=0,
        because_of_auth=False,
        reason="",
        held_at=None,
    )
    if was in (HoldStage.OPEN, HoldStage.UNPROVEN):
        return
    waiting = _waiting(hold)
    count = waiting.count()
    waiting.update(waits_for="")
    incidents.connection_released(hold=hold)
    publish_on_commit(min(count, 100))


def credential_tested(*, credential_id: uuid.UUID) -> None:
    """The credential was saved and its test passed: holds because of it end in every project that uses it."""
    for hold in ConnectionHold.objects.filter(credential__credential_id=credential_id).exclude(
        stage=HoldStage.OPEN
    ):
        hold_release(hold=hold)


def probes_due() -> int:
    """For the sweep: let one run through each held connection whose minute is over. Returns how many."""
    due = ConnectionHold.objects.select_for_update(skip_locked=True, no_key=True).filter(
        stage=HoldStage.HELD, because_of_auth=False, next_probe_at__lte=Now()
    )
    count = 0
    for hold in due:
        count += _probe(hold)
        ConnectionHold.objects.filter(pk=hold.pk).update(next_probe_at=Now() + Value(PROBE_EVERY))
        _tell_waiting(hold)
    return count


def _waiting(hold: ConnectionHold) -> Any:
    return Run.objects.filter(
        project_id=hold.project_id,
        state=RunState.AVAILABLE,
        job__live_version__connections__credential_id=hold.credential_id,
    )


def _probe(hold: ConnectionHold) -> int:
    """Let the oldest waiting run through, unless an earlier probe is still on its way."""
    if _waiting(hold).filter(probe=True).exists():
        return 0
    chosen = (
        _waiting(hold)
        .filter(run_at__lte=Now(), job__state="on")
        .order_by("lane")
        .values_list("pk", flat=True)[:1]
    )
    marked = Run.objects.filter(pk__in=list(chosen), state=RunState.AVAILABLE).update(
        probe=True, waits_for=""
    )
    publish_on_commit(marked)
    return marked


def _tell_waiting(hold: ConnectionHold) -> None:
    """Show the reason on the runs that wait. One statement; those that come later are told by the next sweep."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE run SET waits_for = %s WHERE state = 'available' AND NOT probe AND project_id = %s "
            "AND waits_for <> %s AND job_id IN (SELECT j.id FROM job j JOIN job_connection c "
            "ON c.version_id = j.live_version_id WHERE c.credential_id = %s)",
            [hold.reason, hold.project_id, hold.reason, hold.credential_id],
        )
