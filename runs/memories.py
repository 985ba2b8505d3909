"""Memory: what a scheduled job keeps for its next slot.

Written by successful runs of its own trigger only (a slot, its retry, *Run now*), and only forward: a run
whose slot is older than the one that last wrote it changes nothing. The last 20 values are kept.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from openfn_platform.projects.actors import By, author_of
from openfn_platform.projects.auditing import audit
from runs.models import Memory, MemoryValue, Run, RunMode, State, StateKind
from runs.states import encode, state_read, state_store
from triggers.models import Trigger, TriggerKind

KEPT = 20


def keeps_memory(run: Run) -> str:
    """What the child shall hand back as memory: no, keys or whole."""
    trigger = run.trigger
    if run.mode != RunMode.LIVE or run.parent_id or trigger is None or trigger.kind != TriggerKind.SCHEDULE:
        return "no"
    return "whole" if trigger.keeps_whole_state else "keys"


def memory_read(*, trigger_id: uuid.UUID, job_id: uuid.UUID) -> bytes | None:
    """The present value as JSON text, or None before the first."""
    state_id = (
        Memory.objects.filter(trigger_id=trigger_id, job_id=job_id).values_list("state_id", flat=True).first()
    )
    return state_read(state_id=state_id) if state_id else None


def memory_advance(*, run: Run, memory: bytes | None) -> bool:
    """Write what a successful run leaves to the next one. False: not its business, or a newer slot was there."""
    if memory is None or keeps_memory(run) == "no":
        return False
    slot = run.work_order.slot
    return _write(
        trigger=run.trigger,
        job_id=run.job_id,
        raw=memory,
        slot_at=slot.at if slot else None,
        run=run,
        author=None,
    )


@transaction.atomic
def memory_set(*, trigger: Trigger, job_id: uuid.UUID, value: dict[str, Any], by: By) -> None:
    """A person edits the memory (`{}` resets it); the slot it belongs to stays as it was."""
    row = Memory.objects.filter(trigger=trigger, job_id=job_id).first()
    _write(
        trigger=trigger,
        job_id=job_id,
        raw=encode(value),
        slot_at=row.slot_at if row else None,
        run=None,
        author=author_of(by),
    )
    changes = {"job": job_id, "emptied": not value}
    audit("memory edited", by, project=trigger.project, target=trigger, changes=changes)


def _write(
    *, trigger: Any, job_id: uuid.UUID, raw: bytes, slot_at: datetime | None, run: Run | None, author: Any
) -> bool:
    row = Memory.objects.select_for_update(no_key=True).filter(trigger=trigger, job_id=job_id).first()
    if row is not None and row.slot_at is not None and slot_at is not None and slot_at < row.slot_at:
        return False
    state: State = state_store(project_id=trigger.project_id, kind=StateKind.MEMORY, raw=raw)
    if row is None:
        row, _made = Memory.objects.get_or_create(
            trigger=trigger,
            job_id=job_id,
            defaults={"project_id": trigger.project_id, "state": state, "slot_at": slot_at},
        )
    row.state = state
    row.slot_at = slot_at or row.slot_at
    row.save(update_fields=["state", "slot_at", "updated_at"])
    MemoryValue.objects.create(
        project_id=trigger.project_id, memory=row, state=state, slot_at=slot_at, run=run, author=author
    )
    _drop_old(row)
    return True


def _drop_old(row: Memory) -> None:
    old = list(MemoryValue.objects.filter(memory=row).order_by("-id")[KEPT:])
    if old:
        MemoryValue.objects.filter(pk__in=[value.pk for value in old]).delete()
        State.objects.filter(pk__in=[value.state_id for value in old]).exclude(pk=row.state_id).delete()
