"""Celery tasks: one call each. No arguments, no results, no retries: the database knows what is to be done."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="runs.execute_next", ignore_result=True)
def execute_next() -> None:
    """A permit: claim the next eligible run and execute it."""
    from runs.execution import run_execute_next

    run_execute_next()


@shared_task(name="runs.sweep", ignore_result=True)
def sweep() -> None:
    """The clock's second bell: everything that was left behind."""
    from runs.sweeping import sweep as sweep_now

    sweep_now(rung_by="beat")


@shared_task(name="triggers.fire_due", ignore_result=True)
def fire_due() -> None:
    """The clock's first bell: schedules whose time has come."""
    from runs.firing import schedules_fire_due

    schedules_fire_due(rung_by="beat")


@shared_task(name="runs.bulk_work", ignore_result=True)
def bulk_work() -> None:
    """A hint that a bulk operation waits. Works on it for some seconds, then lets runs have their turn."""
    from runs.bulk import bulk_work_off

    bulk_work_off()
