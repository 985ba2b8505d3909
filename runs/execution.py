"""Executing one run: claim, plan, start, supervise the confined child, finish.

One call of `run_execute_next` is what a permit permits. It holds no database connection and no transaction while
job code runs. Whatever happens to the child becomes an `Ending`; what happens to the worker is for the sweep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from jobs.language.contract import Failure, Outcome, Request
from openfn_platform.common.errors import Conflict
from runs import ending as endings
from runs.answers import Answers
from runs.claiming import run_claim_next
from runs.ending import Ending
from runs.finishing import run_finish
from runs.followups import error_json, hears
from runs.handing_back import run_hand_back
from runs.leases import CANCELLED, FENCED, SHUTDOWN, Held
from runs.lifecycle import run_start
from runs.logs import LogBuffer
from runs.models import Run, RunState
from runs.planning import CannotStart, Plan, run_load_claimed, run_plan
from runs.sandbox.logs import LogLine
from runs.sandbox.redaction import Redactor
from runs.sandbox.supervisor import Death, Ended, supervise
from runs.states import with_error
from runs.tokens import Tokens
from runs.work_orders import work_order_begin
from runs.worker import Worker, current_worker

logger = logging.getLogger(__name__)

T = TypeVar("T")

_OUR_MISTAKE = "The platform made a mistake with this run."
_SEE_LOG = "The worker's log says more."


class LeaseOver(Conflict):
    """This run was taken away from its worker; it must not go on."""

    code = "lease_over"


_DEATHS = {  # kind of death -> (state, error type)
    "timeout": (RunState.KILLED, "TimeoutError"),
    "memory": (RunState.KILLED, "OOMError"),
    "state_too_large": (RunState.KILLED, "StateTooLargeError"),
    "log_flood": (RunState.KILLED, "LogLimitError"),
    "temp_too_large": (RunState.KILLED, "TempLimitError"),
    "signal": (RunState.CRASHED, "ExitError"),
    "exit": (RunState.CRASHED, "ExitError"),
    "forged": (RunState.CRASHED, "ExitError"),
}


def run_execute_next(worker: Worker | None = None) -> bool:
    """Claim and execute the next eligible run. False: there was none, or this worker takes no more."""
    worker = worker or current_worker()
    if worker is None or worker.stopping or not worker.may_claim():
        return False
    claim = run_claim_next(worker=worker.name)
    if claim is None:
        return False
    held = worker.leases.hold(claim)
    try:
        _execute(worker=worker, held=held)
    finally:
        worker.leases.drop(held)
    return True


def _execute(*, worker: Worker, held: Held) -> None:
    claim = held.claim
    run, context = run_load_claimed(claim=claim)
    if _is_too_late(run):
        reason = "It waited longer than this job allows."
        run_finish(run=run, token=claim.token, source=RunState.CLAIMED, ending=endings.skipped(reason))
        return
    try:
        plan = run_plan(run=run, token=claim.token, context=context)
    except CannotStart as error:
        ending = endings.not_started(
            error.error_type, error.message, error.hint, kind=error.kind, alias=error.alias
        )
        run_finish(run=run, token=claim.token, source=RunState.CLAIMED, ending=ending)
        return
    except (DatabaseError, InterfaceError):
        raise  # the run goes back to the queue when its lease ends
    except Exception:  # the border of planning: trying it again on every worker would not help
        logger.exception("action=planning_failed run=%s", run.pk)
        ending = endings.not_started("ExecutionError", _OUR_MISTAKE, _SEE_LOG)
        run_finish(run=run, token=claim.token, source=RunState.CLAIMED, ending=ending)
        return
    if held.must_stop() or not _start(worker=worker, plan=plan):
        run_hand_back(run_id=run.pk, token=claim.token)
        return
    log = LogBuffer(run=run)
    for sentence in plan.warnings:
        log.add(level="warning", text=sentence)
    ending = _supervised(worker=worker, held=held, plan=plan, log=log)
    if held.stop != FENCED:
        _finish_persistently(plan=plan, held=held, ending=ending, log=log)
    else:
        logger.warning("action=fenced run=%s", run.pk)


def _is_too_late(run: Run) -> bool:
    version = run.job_version or run.job.live_version
    now = datetime.now(UTC)
    if run.deadline is not None and run.deadline < now:
        return True
    seconds = version.too_late_seconds if version is not None else None
    return seconds is not None and run.attempt == 1 and run.run_at + timedelta(seconds=seconds) < now


def _start(*, worker: Worker, plan: Plan) -> bool:
    """claimed -> started, just before the child gets the code."""
    run = plan.run
    started = run_start(
        run_id=run.pk,
        token=plan.token,
        version_id=plan.version.pk,
        input_id=run.input_id,
        confinement=worker.confinement[:120],
        library={source.key: source.number for source in plan.request.library},
    )
    if started and run.parent_id is None:
        work_order_begin(work_order_id=run.work_order_id)
    return started


def _supervised(*, worker: Worker, held: Held, plan: Plan, log: LogBuffer) -> Ending:
    connection.close()  # back to the pool: a job may take minutes
    redactor = Redactor(plan.secrets)
    try:
        ended = _run_child(
            worker=worker, held=held, plan=plan, request=plan.request, log=log, redactor=redactor
        )
    except Exception:  # the border of job execution: a bug of ours must not leave the run without an end
        logger.exception("action=supervisor_failed run=%s", plan.run.pk)
        failure = endings.platform_failure("ExecutionError", _OUR_MISTAKE, _SEE_LOG)
        return Ending(state=RunState.EXCEPTION, failure=failure, process_died=True)
    ending = _ending_of(ended, held=held, plan=plan, redactor=redactor)
    if ending.failed and ending.process_died and held.stop != FENCED:
        ending = _decide_conditions(
            worker=worker, held=held, plan=plan, ending=ending, redactor=redactor, log=log
        )
    return ending


def _run_child(
    *,
    worker: Worker,
    held: Held,
    plan: Plan,
    request: Request,
    log: LogBuffer,
    redactor: Redactor,
    state: bytes | None = None,
) -> Ended:
    answers = Answers(
        plan.run,
        redactor=redactor,
        tokens=Tokens(plan.run, request.connections, redactor),
        memory_bytes=plan.limits.memory_bytes,
    )

    def answer(question: str, body: dict[str, Any]) -> dict[str, Any] | bytes:
        try:
            found = answers(question, body)
        finally:
            connection.close()
        if held.must_stop():  # the database took too long: the job must not act on it any more
            raise LeaseOver()
        return found

    def on_log(lines: list[LogLine]) -> None:
        for line in lines:
            if line.exchange is not None:
                log.add_exchange(line.exchange)
            else:
                log.add(level=line.level, text=line.text, at=line.at)

    def should_stop() -> str | None:
        # Asked several times a second, so that also the last line before a long silence gets on the screen.
        if log.is_due:
            worker.write_log(log)
        return held.must_stop()

    return supervise(
        zygote=worker.zygote,
        request=request,
        state=plan.state if state is None else state,
        limits=plan.limits,
        on_log=on_log,
        answer=answer,
        should_stop=should_stop,
        redact=redactor,
    )


def _ending_of(ended: Ended, *, held: Held, plan: Plan, redactor: Redactor) -> Ending:
    """What the supervisor saw, in the words of the platform."""
    figures: dict[str, Any] = {
        "cpu_ms": int(ended.cpu_seconds * 1000),
        "memory_kb": ended.max_rss_kb,
        "wall_ms": int(ended.wall_seconds * 1000),
        "log_dropped": ended.log_lines_dropped,
        "initial": plan.state,
    }
    if ended.death is not None:
        return _ending_of_death(ended.death, held=held, figures=figures)
    if ended.result is None:
        return _ending_of_death(
            Death(kind="exit", reason="The job's process ended without a result."), held=held, figures=figures
        )
    said = endings.from_result(ended.result)
    return Ending(
        state=said.state,
        failure=_redacted(said.failure, redactor),
        note=redactor(said.note),
        problems=tuple((redactor(key), redactor(reason)) for key, reason in said.problems),
        problem_count=said.problem_count,
        conditions=said.conditions,
        condition_errors=said.condition_errors,
        final=redactor.data(ended.state) if ended.state is not None else None,
        memory=redactor.data(ended.memory) if ended.memory is not None else None,
        # Out of memory or over the size of the state, as the child itself saw it: nobody was left to decide.
        process_died=ended.result.outcome == Outcome.KILLED,
        **figures,
    )


def _ending_of_death(death: Death, *, held: Held, figures: dict[str, Any]) -> Ending:
    if death.kind == "stopped":
        if held.stop == CANCELLED:
            return Ending(state=RunState.CANCELLED, note="Somebody cancelled it while it ran.", **figures)
        reason = "The worker was shut down while the job ran." if held.stop == SHUTDOWN else str(held.stop)
        gone = endings.lost(reason)
        return Ending(state=gone.state, failure=gone.failure, process_died=True, **figures)
    if death.kind == "zygote":  # its parent was killed, or never forked it: not the job's doing
        gone = endings.lost(death.reason)
        return Ending(state=gone.state, failure=gone.failure, process_died=True, **figures)
    state, error_type = _DEATHS[death.kind]
    failure = Failure(
        type=error_type, message=death.reason, kind="limit" if state == RunState.KILLED else "code"
    )
    return Ending(state=state, failure=failure, process_died=True, **figures)


def _redacted(failure: Failure | None, redactor: Redactor) -> Failure | None:
    if failure is None:
        return None
    return replace(
        failure,
        message=redactor(failure.message),
        hint=redactor(failure.hint) if failure.hint else None,
        code_line=redactor(failure.code_line) if failure.code_line else None,
    )


def _decide_conditions(
    *, worker: Worker, held: Held, plan: Plan, ending: Ending, redactor: Redactor, log: LogBuffer
) -> Ending:
    """The child died before it could decide the conditions of failure flows: a fresh one does."""
    asked = tuple(
        condition
        for condition in plan.request.conditions
        if any(
            str(flow.trigger_id) == condition.trigger and hears(flow, ending.state, failed=True)
            for flow in plan.flows
        )
    )
    if not asked:
        return ending

    def told() -> bytes:
        log.flush()
        return error_json(run=plan.run, ending=ending)

    error = _persistently(told, held=held, run=plan.run)
    connection.close()
    if error is None:
        return ending
    state = with_error(initial=plan.state, error=error)
    request = replace(plan.request, code="", conditions=asked, only_conditions=True, keep_memory="no")
    quiet = LogBuffer(run=plan.run)
    try:
        ended = _run_child(
            worker=worker, held=held, plan=plan, request=request, log=quiet, redactor=redactor, state=state
        )
    except Exception:  # the run has its ending; only its conditions stay undecided, which counts as false
        logger.exception("action=conditions_undecided run=%s", plan.run.pk)
        return ending
    if ended.result is None:
        return ending
    return replace(ending, conditions=ended.result.conditions, condition_errors=ended.result.condition_errors)


def _finish_persistently(*, plan: Plan, held: Held, ending: Ending, log: LogBuffer) -> None:
    """Write the end down, waiting for a database that is away as long as our lease could hold."""
    for trigger_id, sentence in ending.condition_errors.items():
        log.add(level="warning", text=f"EdgeConditionError in trigger {trigger_id}: {sentence}")

    def finish() -> bool:
        return run_finish(
            run=plan.run,
            token=plan.token,
            source=RunState.STARTED,
            ending=ending,
            log=log,
            flows=plan.flows,
        )

    _persistently(finish, held=held, run=plan.run)


def _persistently(do: Callable[[], T], *, held: Held, run: Run) -> T | None:
    """What `do` gives, tried until a database that is away is back; None when our lease was over first."""
    pause = 0.1
    while True:
        try:
            return do()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("action=finish_delayed run=%s error=%s", run.pk, type(error).__name__)
            connection.close()
            close_old_connections()
            if held.stop == FENCED or time.monotonic() > held.until:
                logger.error("action=result_dropped run=%s reason=no_database", run.pk)
                return None
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
