"""How a run ended, as one value: what its child said, or what was seen of its death, in the platform's words. Pure of
database; `runs.finishing` writes it down."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.language.contract import Failure, Outcome, Result
from runs.models import FAILED_STATES, RunState

_STATE_OF = {
    Outcome.SUCCESS: RunState.SUCCESS,
    Outcome.FAILED: RunState.FAILED,
    Outcome.CRASHED: RunState.CRASHED,
    Outcome.SKIPPED: RunState.SKIPPED,
    Outcome.KILLED: RunState.KILLED,
    Outcome.EXCEPTION: RunState.EXCEPTION,
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Everything that the finishing transaction needs."""

    state: RunState
    failure: Failure | None = None
    note: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    problem_count: int = 0
    final: bytes | None = None  # final state, or the partial one after a failure
    memory: bytes | None = None
    initial: bytes | None = None  # for failure flows; read again when not given
    conditions: dict[str, bool] = field(default_factory=dict)
    condition_errors: dict[str, str] = field(default_factory=dict)
    process_died: bool = False  # nobody in the child could speak for itself
    cpu_ms: int | None = None
    memory_kb: int | None = None
    wall_ms: int | None = None
    log_dropped: int = 0

    @property
    def failed(self) -> bool:
        return self.state in FAILED_STATES


def from_result(result: Result) -> Ending:
    """What the child reported."""
    return Ending(
        state=_STATE_OF[result.outcome],
        failure=result.failure,
        note=result.note or "",
        problems=result.problems,
        problem_count=result.problem_count,
        conditions=result.conditions,
        condition_errors=result.condition_errors,
    )


def platform_failure(type_: str, message: str, hint: str | None = None) -> Failure:
    return Failure(type=type_, message=message, hint=hint, kind="platform")


def not_started(
    type_: str, message: str, hint: str | None = None, *, kind: str = "platform", alias: str = ""
) -> Ending:
    """The platform could not start it: nothing of the job ran. `alias` names the connection at fault."""
    failure = Failure(
        type=type_,
        message=message,
        hint=hint,
        kind=kind,
        retryable=kind == "connection",
        connection=alias or None,
    )
    return Ending(state=RunState.EXCEPTION, failure=failure)


def lost(reason: str) -> Ending:
    """Its worker vanished while the job ran: nobody knows how far it came."""
    return Ending(
        state=RunState.LOST,
        process_died=True,
        failure=platform_failure(
            "LostError",
            reason,
            "Look at the partner system before you press Retry: part of the work may be done.",
        ),
    )


def cancelled(reason: str) -> Ending:
    return Ending(state=RunState.CANCELLED, note=reason, process_died=True)


def skipped(reason: str) -> Ending:
    return Ending(state=RunState.SKIPPED, note=reason)
