"""What runs do when something happens on the floors below, and what the beat process gets on top."""

from __future__ import annotations

from typing import Any

from celery.signals import beat_init
from django.db.models.functions import Now
from django.dispatch import receiver

from jobs.models import Credential, Job, JobState, ProjectCredential
from jobs.signals import credential_changed, credential_proved, job_archived, job_switched
from openfn_platform.projects.signals import letter_written
from runs import holds, incidents
from runs.models import ConnectionHold, Run, RunState
from runs.models.engine import HoldStage
from runs.notifications.personal import account_letter
from runs.permits import publish_on_commit
from runs.work_orders import work_order_lock, work_order_refresh


@receiver(job_switched)
def _job_switched(sender: object, *, job: Job, **_: Any) -> None:
    """Runs that waited for a paused job may go on; the pause's incident is over."""
    if job.state != JobState.ON:
        return
    incidents.job_resumed(job=job)
    publish_on_commit(min(100, Run.objects.filter(job=job, state=RunState.AVAILABLE)[:100].count()))


@receiver(job_archived)
def _job_archived(sender: object, *, job: Job, **_: Any) -> None:
    """What still waits for an archived job is cancelled, visibly."""
    orders = set(
        Run.objects.filter(job=job, state=RunState.AVAILABLE).values_list("work_order_id", flat=True)
    )
    Run.objects.filter(job=job, state=RunState.AVAILABLE).update(
        state=RunState.CANCELLED, finished_at=Now(), note="Its job was archived.", waits_for="", probe=False
    )
    for order in sorted(orders):
        work_order_lock(work_order_id=order)
        work_order_refresh(work_order_id=order)


@receiver(credential_changed)
def _credential_changed(sender: object, *, credential: Credential, **_: Any) -> None:
    """New values were never seen to work: one run at a time until they were."""
    for link in ProjectCredential.objects.filter(credential=credential):
        ConnectionHold.objects.get_or_create(
            credential=link, defaults={"project_id": link.project_id, "stage": HoldStage.UNPROVEN}
        )
        ConnectionHold.objects.filter(credential=link, stage=HoldStage.OPEN).update(
            stage=HoldStage.UNPROVEN, auth_failures=0, connection_failures=0
        )


@receiver(credential_proved)
def _credential_proved(sender: object, *, credential: Credential, **_: Any) -> None:
    holds.credential_tested(credential_id=credential.pk)


@receiver(letter_written)
def _letter_written(sender: object, *, to: str, subject: str, text: str, **_: Any) -> None:
    account_letter(to=to, subject=subject, text=text)


@beat_init.connect
def _watch_over_workers(**_: Any) -> None:
    """Without any worker nobody sweeps; beat itself then notices, and mails."""
    from runs.notifications.watchdog import start_thread

    start_thread()
