"""What the page of one run shows beside the run itself."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from jobs.models import JobVersion, LibraryVersion
from runs.models import FAILED_STATES, Memory, OnceMark, Run, RunState
from runs.selectors.trees import light
from triggers.models import Trigger

AROUND = 4  # lines of code before and after the one that failed
MOST_CODE = 200_000


@dataclass(frozen=True, kw_only=True)
class CodeLine:
    number: int
    text: str
    failed: bool


def compensations(*, run: Run) -> list[Run]:
    """The runs that the failure of `run` started: what was, or is being, put right."""
    if not run.is_failure:
        return []
    rows = light(Run.objects.filter(parent=run)).select_related("job")
    return list(rows.order_by("id")[:20])


def open_marks(*, run: Run) -> list[OnceMark]:
    """Steps of `once` that were begun and never said done, while no run of the job is on its way."""
    if run.state not in FAILED_STATES or run.error_type not in ("UnsureError", "LostError", "TimeoutError"):
        return []
    return list(
        OnceMark.objects.filter(work_order_id=run.work_order_id, job_id=run.job_id, done_at=None)
        .select_related("run")
        .order_by("id")[:20]
    )


def newest_attempt(*, run: Run) -> Run | None:
    """The retry of this very run, if there is one."""
    return light(Run.objects.filter(retry_of=run)).select_related("job").order_by("-id").first()


def memory_of(run: Run) -> Memory | None:
    """What the runs of its schedule keep for each other."""
    if run.trigger_id is None or run.parent_id is not None or run.work_order.slot_id is None:
        return None
    return Memory.objects.filter(trigger_id=run.trigger_id, job_id=run.job_id).first()


def matched_triggers(*, run: Run) -> list[Trigger]:
    """Which triggers started it; several may have named the job for one message."""
    ids: Sequence[uuid.UUID] = run.matched_triggers or ([run.trigger_id] if run.trigger_id else [])
    return list(Trigger.objects.filter(pk__in=ids, project_id=run.project_id).order_by("name", "pk"))


def code_of(run: Run) -> str | None:
    """The code as it ran; None before a version was taken."""
    if run.trial_code is not None:
        return run.trial_code[:MOST_CODE]
    if run.job_version_id is None:
        return None
    code: str = JobVersion.objects.values_list("code", flat=True).get(pk=run.job_version_id)
    return code[:MOST_CODE]


def failed_line(run: Run) -> int | None:
    """In the job's code, from 1."""
    line = (run.failure or {}).get("line")
    return line if isinstance(line, int) and line > 0 else None


def code_lines(run: Run) -> list[CodeLine] | None:
    code = code_of(run)
    if code is None:
        return None
    marked = failed_line(run)
    return [
        CodeLine(number=number, text=text, failed=number == marked)
        for number, text in enumerate(code.splitlines(), start=1)
    ]


def library_taken(run: Run) -> list[LibraryVersion]:
    """The versions of the library that it took when it started."""
    wanted = Q(pk__in=[])
    for key, number in (run.library or {}).items():
        wanted |= Q(module__key=key, number=number)
    rows = LibraryVersion.objects.filter(wanted, project_id=run.project_id).select_related("module")
    return list(rows.defer("code", "findings").order_by("module__key"))


def code_around_failure(run: Run) -> list[CodeLine]:
    """The line of code that failed, with some around it."""
    marked = failed_line(run)
    lines = code_lines(run) if marked is not None else None
    if lines is None or marked is None or marked > len(lines):
        return []
    return lines[max(0, marked - 1 - AROUND) : marked + AROUND]


def may_retry(run: Run) -> bool:
    """A run that ended and is nobody's first attempt any more; a test run is repeated in the editor."""
    return run.is_final and not run.is_test and has_code(run) and not run.retries.exists()


def has_code(run: Run) -> bool:
    """Whether there is code to retry it with: the live version, or the one that a dry run of a draft took."""
    return run.job.live_version_id is not None or run.job_version_id is not None


def may_dismiss(run: Run) -> bool:
    return run.is_failure and run.dismissed_at is None


def may_cancel(run: Run) -> bool:
    return run.state in (RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED) and (
        run.cancel_requested_at is None
    )


def may_abort(run: Run) -> bool:
    """A worker has it; what still waits is ended by *Cancel* at once."""
    return run.state in (RunState.CLAIMED, RunState.STARTED)
