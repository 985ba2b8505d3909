"""What triggers do when something happens to projects and workflows."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from jobs.models import Workflow
from jobs.signals import workflow_archived
from openfn_platform.projects.actors import By
from openfn_platform.projects.models import Project
from openfn_platform.projects.signals import project_changed, project_made
from triggers.due import debts_record
from triggers.editing import trigger_archive
from triggers.inboxes import PROJECT_INBOX, inbox_create
from triggers.models import Trigger, TriggerKind
from triggers.timetable import next_slot


@receiver(project_made)
def inbox_make(*, project: Project, by: By, **_: Any) -> None:
    """Every project has an address from the start; it stays shut until a key is made."""
    inbox_create(project=project, name=PROJECT_INBOX, by=by)


@receiver(project_changed)
def schedules_move(*, project: Project, changed: frozenset[str], **_: Any) -> None:
    """Schedules without a zone of their own follow the project's."""
    if "time_zone" not in changed:
        return
    triggers = Trigger.objects.select_for_update(no_key=True).filter(
        project=project, kind=TriggerKind.SCHEDULE, enabled=True, archived_at=None, time_zone=""
    )
    for trigger in triggers.order_by("pk"):
        debts_record(trigger, reason="The project's time zone was changed before this time was served.")
        trigger.next_slot_at = next_slot(trigger, after=timezone.now())
        trigger.save(update_fields=["next_slot_at"])


@receiver(workflow_archived)
def triggers_archive(*, workflow: Workflow, by: By, **_: Any) -> None:
    """They can start nothing any more."""
    for trigger in Trigger.objects.filter(workflow=workflow, archived_at=None).order_by("pk"):
        trigger_archive(trigger=trigger, by=by)
