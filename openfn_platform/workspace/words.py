"""The few words that people read for states of runs, jobs and triggers."""

from __future__ import annotations

from jobs.models import Job, JobState
from openfn_platform.projects.badges import EMPTY, Tone, badge
from runs.models import RunMode, RunState
from runs.models.run import FAILED_STATES

_JOB_TONES: dict[str, Tone] = {JobState.ON: "good", JobState.PAUSED: "warn", JobState.OFF: "plain"}


def job_badge(job: Job) -> str:
    """On, Paused or Off; why it is paused on hover."""
    word, _, meaning = str(JobState(job.state).label).partition(": ")
    return badge(word, _JOB_TONES[job.state], job.paused_reason or meaning)


def outcome_badge(state: str | None, mode: str = RunMode.LIVE) -> str:
    """Succeeded, Failed, Cancelled, and what comes before; the exact state on hover."""
    if not state:
        return EMPTY
    word, tone = _word(state)
    mark = {RunMode.TRIAL: " · TEST", RunMode.DRY: " · dry"}.get(RunMode(mode), "")
    return badge(word + mark, tone, str(RunState(state).label))


def _word(state: str) -> tuple[str, Tone]:
    if state in FAILED_STATES:
        return "Failed", "bad"
    if state in (RunState.CANCELLED, RunState.SKIPPED):
        return str(RunState(state).label), "plain"
    if state == RunState.SUCCESS:
        return "Succeeded", "good"
    return ("Waiting", "plain") if state == RunState.AVAILABLE else ("Running", "busy")
