"""The sweep: everything that was left behind, every few seconds, from beat and from a thread in every worker.

Each duty is its own short transaction that passes over rows somebody else has locked, so any number of sweeps
may run at once and any of them may be killed half-way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum, Value
from django.db.models.functions import Now

from jobs.attempts import attempts_forget
from jobs.row_history import row_changes_forget, rows_expire
from jobs.undoing import earlier_values_forget
from runs import ending as endings
from runs import holds
from runs.bulk import bulk_forget, bulk_sweep
from runs.finishing import run_finish
from runs.handing_back import run_hand_back
from runs.models import Run, RunState, WorkerHeartbeat
from runs.notifications import alarms, delivery, expiries, refused, refused_tokens, reminders
from runs.permits import publish, queue_length
from runs.planning import run_load
from runs.repeating import keys_forget
from runs.unkept import payloads_wipe
from triggers.clock import bells_hang, clock_rung

logger = logging.getLogger(__name__)

AT_ONCE = 100
CLAIMS_AT_MOST = 10  # a run that was claimed so often and never started is not going to
WORKER_SILENT = timedelta(seconds=20)


def sweep(*, rung_by: str) -> None:
    """One round of every duty. A duty that fails is logged and does not keep the others from theirs."""
    clock_rung(task="runs.sweep", by=rung_by)
    duties: list[Callable[[], object]] = [
        leases_expire,
        retries_due,
        holds_probe,
        permits_publish,
        reminders.reminders_queue,
        expiries.expiries_tell,
        refused.refusals_tell,
        refused_tokens.refused_tokens_tell,
        delivery.mails_send,
        bells_hang,
        alarms.alarms_check,
        heartbeats_forget,
        earlier_values_forget,
        attempts_forget,
        payloads_wipe,
        bulk_forget,
        keys_forget,
        rows_expire,
        row_changes_forget,
        bulk_sweep,  # last: it may take some seconds
    ]
    for duty in duties:
        try:
            duty()
        except Exception:  # the border of each duty: one broken mail must not stop the leases
            logger.exception("action=duty_failed duty=%s", duty.__name__)


def leases_expire() -> int:
    """Runs whose worker vanished: back to the queue before the job began, `lost` after. Returns how many."""
    done = 0
    while True:
        with transaction.atomic():
            expired = list(
                Run.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
                .filter(state__in=[RunState.CLAIMED, RunState.STARTED], lease_until__lt=Now())
                .order_by("lease_until")
                .values_list("pk", "state", "token", "claims", "worker", "cancel_requested_at")[:AT_ONCE]
            )
            for pk, state, token, claims, worker, cancelled in expired:
                if state == RunState.CLAIMED and (claims < CLAIMS_AT_MOST or cancelled):
                    run_hand_back(run_id=pk, token=token)
                    logger.warning("action=run_unclaimed run=%s worker=%s", pk, worker)
                    continue
                run = run_load(run_id=pk)
                if state == RunState.CLAIMED:
                    how = endings.not_started(
                        "ExecutionError", f"Its workers vanished {claims} times before it could start."
                    )
                else:
                    how = endings.lost(f"The worker {worker} vanished while the job ran.")
                run_finish(run=run, token=token, source=RunState(state), ending=how)
                logger.warning("action=run_lost run=%s worker=%s", pk, worker)
            done += len(expired)
        if len(expired) < AT_ONCE:
            return done


def retries_due() -> None:
    """Runs whose waiting time is over say so; the permits for them follow below."""
    Run.objects.filter(state=RunState.AVAILABLE, run_at__lte=Now()).filter(
        waits_for="its next attempt"
    ).update(waits_for="")


def holds_probe() -> None:
    with transaction.atomic():
        holds.probes_due()


_READY = """
SELECT count(*) FROM (
    SELECT 1 FROM run r JOIN job j ON j.id = r.job_id
    WHERE r.state = 'available' AND r.run_at <= now() AND (r.probe OR j.state = 'on') LIMIT %s) AS ready
"""


def permits_publish() -> int:
    """Runs without a permit get one: too few in the queue are made up, up to a few rounds of work."""
    most = max(1_000, 100 * _capacity())
    with connection.cursor() as cursor:
        cursor.execute(_READY, [most])
        ready = cursor.fetchone()[0]
    if not ready:
        return 0
    queued = queue_length()
    if queued is None or queued >= ready:
        return 0
    return publish(ready - queued)


def _capacity() -> int:
    alive = WorkerHeartbeat.objects.filter(stopped_at=None, beat_at__gt=Now() - Value(WORKER_SILENT))
    total: int | None = alive.aggregate(total=Sum("capacity"))["total"]
    return total or settings.WORKER_CONCURRENCY


def heartbeats_forget() -> None:
    """Rows of workers that stopped or vanished a day ago."""
    old = Now() - Value(timedelta(days=1))
    WorkerHeartbeat.objects.filter(Q(beat_at__lt=old) | Q(stopped_at__lt=old)).delete()
