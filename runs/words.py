"""How runs and work orders are spoken of on screens: three words for an end, a sentence for the cause.

In code, API and filters the exact states stay; here stands what somebody reads who did not write the job. What a job
or a partner system said may quote a patient: who may not see data (`sees`) reads it without what it quotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone

from openfn_platform.common.sentences import without_data
from openfn_platform.common.text import plural
from runs.models import Cause, ConnectionHold, Incident, Run, RunMode, RunState, WorkOrderState
from runs.models.incident import OWN_WORDS
from runs.models.run import FAILED_STATES, RetryKind

Tone = Literal["plain", "good", "bad", "warn", "busy"]


@dataclass(frozen=True)
class Word:
    """One word with its colour; the meaning is shown on hover."""

    text: str
    tone: Tone
    meaning: str


_WAITING = Word("Waiting", "plain", "It waits for its turn.")
_RUNNING = Word("Running", "busy", "A worker executes it right now.")

WORDS: dict[str, Word] = {
    RunState.AVAILABLE: _WAITING,
    RunState.CLAIMED: Word("Running", "busy", "A worker has taken it and starts it now."),
    RunState.STARTED: _RUNNING,
    RunState.SUCCESS: Word("Succeeded", "good", "The job came to its end."),
    RunState.FAILED: Word("Failed", "bad", "failed: the job itself said no, or a system refused."),
    RunState.CRASHED: Word("Failed", "bad", "crashed: the code does not load, or its process died."),
    RunState.KILLED: Word("Failed", "bad", "killed: over a limit of time, memory or state."),
    RunState.EXCEPTION: Word("Failed", "bad", "exception: the platform could not start it."),
    RunState.LOST: Word("Failed", "bad", "lost: its worker vanished; nobody knows how far it came."),
    RunState.CANCELLED: Word("Cancelled", "plain", "cancelled: somebody stopped it."),
    RunState.SKIPPED: Word("Cancelled", "plain", "skipped: too late, or the job found nothing to do."),
}
OF_WORK_ORDERS: dict[str, Word] = {
    WorkOrderState.PENDING: _WAITING,
    WorkOrderState.RUNNING: Word("Running", "busy", "Some of its runs have not ended yet."),
    WorkOrderState.SUCCESS: Word(
        "Succeeded", "good", "Nothing failed, or what failed was caught or put aside."
    ),
    WorkOrderState.FAILED: Word("Failed", "bad", "A run ended badly and nothing caught it."),
    WorkOrderState.CANCELLED: Word("Cancelled", "plain", "Somebody stopped it."),
}
GROUPS: dict[str, tuple[str, tuple[RunState, ...]]] = {
    "waiting": ("Waiting", (RunState.AVAILABLE,)),
    "running": ("Running", (RunState.CLAIMED, RunState.STARTED)),
    "succeeded": ("Succeeded", (RunState.SUCCESS,)),
    "failed": ("Failed", tuple(sorted(FAILED_STATES))),
    "cancelled": ("Cancelled", (RunState.CANCELLED, RunState.SKIPPED)),
}


PARTS_HIDDEN = "Parts of this sentence are hidden: you may not see data."


def word_of(run: Run) -> Word:
    return WORDS[run.state]


def said(text: str, *, sees: bool) -> str:
    """The words of a job, a partner system or a person about a failure, as this reader may read them."""
    return text if sees else without_data(text)


def said_by_incident(incident: Incident, *, sees: bool) -> str:
    """The newest error's sentence; alarms speak of no patient."""
    return said(incident.message, sees=sees or incident.kind in OWN_WORDS)


def said_by_hold(hold: ConnectionHold, *, sees: bool) -> str:
    """Why a connection is spared. Load it with its credential, whose name everybody reads."""
    return hold.reason if sees else without_data(hold.reason, known=[hold.credential.credential.name])


def outcome_of(run: Run, *, sees: bool) -> str:
    """What came of it, or what it waits for, in one sentence; empty when there is nothing to say."""
    if run.state == RunState.AVAILABLE:
        return waiting_for(run, sees=sees)
    if run.state in (RunState.CLAIMED, RunState.STARTED):
        return "Somebody asked to stop it." if run.cancel_requested_at else ""
    if run.is_failure:
        return said(run.error_message, sees=sees) or run.error_type
    # Why a run was cancelled is told by the platform, not by its job.
    note = said(run.note, sees=sees or run.state == RunState.CANCELLED)
    if run.problem_count:
        problems = f"with {plural(run.problem_count, 'problem')}"
        return f"{note} ({problems})" if note else problems
    return note


def waiting_for(run: Run, *, sees: bool) -> str:
    """Why it is not running yet."""
    reason = said(run.waits_for, sees=sees)
    if run.run_at > timezone.now():
        return f"Waits for {reason or 'its time'}, due {ago(run.run_at)}."
    return reason or "Waits for a free worker."


def sentence_of(run: Run, *, sees: bool) -> str:
    """The whole outcome: “Failed: … (attempt 1 of 3)”."""
    outcome = outcome_of(run, sees=sees)
    text = f"{word_of(run).text}: {outcome}" if outcome else word_of(run).text
    allowed = allowed_attempts(run)
    if run.attempt > 1 or allowed > 1 or run.is_failure:
        text += f" (attempt {run.attempt} of {max(allowed, run.attempt)})"
    return text


def allowed_attempts(run: Run) -> int:
    """How many the job's retry policy gives; by hand there can be more."""
    annotated = getattr(run, "max_attempts", None)
    if annotated is not None:
        return int(annotated)
    version = run.job_version or run.job.live_version
    return version.max_attempts if version else 1


def attempt_of(run: Run) -> str:
    """“2/3” for lists."""
    allowed = allowed_attempts(run)
    return f"{run.attempt}/{allowed}" if 1 < allowed >= run.attempt else str(run.attempt)


def cause_of(run: Run) -> str:
    """Why the run exists."""
    if run.retry_kind == RetryKind.BY_HAND:
        return f"Retried by {run.created_by}" if run.created_by else "Retried by hand"
    if run.retry_kind == RetryKind.AUTOMATIC:
        return "Next attempt"
    if run.parent_id is not None and run.parent is not None:
        return f"After “{run.parent.job.name}”"
    if run.mode == RunMode.TRIAL:
        return "Test run"
    order = run.work_order
    if order.cause == Cause.SLOT:
        return "Schedule"
    if order.cause == Cause.MANUAL:
        return f"By {order.started_by}" if order.started_by else "By hand"
    return str(order.get_cause_display())


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """“3 min ago”, “in 2 h”."""
    if moment is None:
        return "never"
    seconds = ((now or timezone.now()) - moment).total_seconds()
    words = _largest(abs(seconds))
    if words == "0 s":
        return "now"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _largest(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def duration_of(run: Run) -> str:
    """How long it ran, or runs already."""
    if run.started_at is None:
        return ""
    return span((run.finished_at or timezone.now()) - run.started_at)


def span(length: timedelta) -> str:
    """“340 ms”, “2.4 s”, “3 min 20 s”."""
    milliseconds = max(0, round(length.total_seconds() * 1000))
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def size_of(count: int | None) -> str:
    """“1.2 kB”."""
    if count is None:
        return ""
    if count < 1000:
        return plural(count, "byte")
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"
