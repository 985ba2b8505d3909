"""What the sandbox calls: `prepare` once before it forks, `execute` in the child of each run.

`execute` knows no programming language; it dispatches on `request.language`. A language is a module with

    run(*, request, content, session, channel, connect) -> Ending     the code, to its end
    decide(expression, content) -> bool                               one condition
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

from jobs.language.channel import Channel
from jobs.language.conditions import decide_all, matching
from jobs.language.connections import Connect
from jobs.language.contract import Condition, Failure, Outcome, Request, Result
from jobs.language.encoding import decode, encode
from jobs.language.errors import NotJSON, StateTooLarge
from jobs.language.session import Emit, Session
from jobs.language.state import UNSTORED

LANGUAGES = {"python": "jobs.language.python"}

# What a memory leaves out when it keeps only the author's own keys.
NOT_REMEMBERED = frozenset({"data", "response", "references", UNSTORED})

# What jobs import most; loaded before the fork, they cost a run nothing.
_USUAL = (
    "datetime",
    "decimal",
    "json",
    "re",
    "uuid",
    "zoneinfo",
    "collections",
    "itertools",
    "math",
    "csv",
    "httpx",
    "jobs.adaptors.common",
)

Answer = tuple[Result, bytes | None, bytes | None]


def prepare() -> None:
    """Load everything that a child will need, while there is only one process to pay for it."""
    from jobs.adaptors import registry

    for name in (*_USUAL, *LANGUAGES.values()):
        importlib.import_module(name)
    registry.preload()


def execute(
    *, request: Request, state: bytes, channel: Channel, emit: Emit, connect: Connect | None = None
) -> Answer:
    """Run the job: the result, the final (or after a failure partial) state, and the memory of a schedule."""
    session = Session(emit)
    language = _language(request.language)
    if language is None:
        failure = Failure(
            type="ExecutionError", kind="platform", message=f"Jobs in {request.language} cannot be run here."
        )
        return _answer(session, Outcome.EXCEPTION, failure), None, None
    if request.only_conditions:
        # Nothing ran, so nothing failed: the outcome only says that the conditions were decided.
        result = _answer(session, Outcome.SUCCESS, None)
        return _with_conditions(result, request.conditions, state, language), None, None
    result, final, memory = _run(request, state, session, channel, language, connect or _registered())
    if result.failure:
        session.log("error", _last_line(result.failure), source="platform")
    return _decided(request, result, final, state, session, language), final, memory


def _run(
    request: Request, state: bytes, session: Session, channel: Channel, language: ModuleType, connect: Connect
) -> Answer:
    try:
        content = _initial(state)
    except NotJSON as error:
        failure = Failure(type="ExecutionError", kind="platform", message=str(error))
        return _answer(session, Outcome.EXCEPTION, failure), None, None
    ending = language.run(request=request, content=content, session=session, channel=channel, connect=connect)
    del content
    if ending.failure is not None:
        partial = _partial(ending.content, request.state_limit, session)
        return _answer(session, ending.outcome, ending.failure), partial, None
    try:
        final = _bounded(_stored(ending.content), request.state_limit)
        memory = (
            _memory(request.keep_memory, ending.content, final) if ending.outcome is Outcome.SUCCESS else None
        )
    except NotJSON as error:
        return _answer(session, Outcome.FAILED, Failure(type="JobError", message=f"{error}")), None, None
    except StateTooLarge as error:
        return _answer(session, Outcome.KILLED, _too_large(error)), None, None
    except MemoryError:
        return _answer(session, Outcome.KILLED, _out_of_memory()), None, None
    return _answer(session, ending.outcome, None), final, memory


def _language(name: str) -> ModuleType | None:
    return importlib.import_module(LANGUAGES[name]) if name in LANGUAGES else None


def _registered() -> Connect:
    from jobs.adaptors import registry

    return registry.connect


def _initial(state: bytes) -> dict[str, Any]:
    content = decode(state)
    if not isinstance(content, dict):
        raise NotJSON("The input is not an object.")
    # Never inherited: a job has its own.
    content.pop(UNSTORED, None)
    content.setdefault("data", {})
    return content


def _stored(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != UNSTORED}


def _bounded(content: dict[str, Any], limit: int) -> bytes:
    body = encode(content)
    if len(body) > limit:
        raise StateTooLarge(f"The final state has {_size(len(body))}; this job may have {_size(limit)}.")
    return body


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count:,} bytes"


def _partial(content: dict[str, Any] | None, limit: int, session: Session) -> bytes | None:
    """The state as it was when the job failed; a help for repairs, so it may be missing but never in the way."""
    if content is None:
        return None
    try:
        return _bounded(_stored(content), limit)
    except (NotJSON, StateTooLarge, MemoryError) as error:
        reason = str(error) or "there was no memory left"
        session.log(
            "warning", f"The state at the moment of the failure is not kept: {reason}", source="platform"
        )
        return None


def _memory(keep: str, content: dict[str, Any], final: bytes) -> bytes | None:
    if keep == "no":
        return None
    if keep == "whole":
        return final
    return encode({key: value for key, value in content.items() if key not in NOT_REMEMBERED})


def _decided(
    request: Request,
    result: Result,
    final: bytes | None,
    state: bytes,
    session: Session,
    language: ModuleType,
) -> Result:
    if not request.conditions or result.outcome is Outcome.SKIPPED:
        return result
    if result.outcome is Outcome.SUCCESS:
        wanted = matching(request.conditions, succeeded=True)
        return _with_conditions(result, wanted, final or b"{}", language) if wanted else result
    wanted = matching(request.conditions, succeeded=False)
    if not wanted:
        return result
    try:
        body = encode({**_initial(state), "error": _error(request, result.failure, final, session)})
    except NotJSON as error:
        reason = {condition.trigger: f"The condition counts as false: {error}" for condition in wanted}
        return replace(result, conditions=dict.fromkeys(reason, False), condition_errors=reason)
    return _with_conditions(result, wanted, body, language)


def _with_conditions(
    result: Result, conditions: list[Condition] | tuple[Condition, ...], body: bytes, language: ModuleType
) -> Result:
    answers, errors = decide_all(conditions, body=body, decide=language.decide)
    return replace(result, conditions=answers, condition_errors=errors)


def _error(
    request: Request, failure: Failure | None, partial: bytes | None, session: Session
) -> dict[str, Any]:
    """What a job started by the failure finds as `state.error`."""
    told = asdict(failure) if failure else {}
    return {
        "job": request.run.job,
        "run": request.run.id,
        "attempt": request.run.attempt,
        **{name: told.get(name) for name in ("type", "message", "hint", "status")},
        "log": list(session.tail),
        "partial": decode(partial) if partial is not None else None,
    }


def _answer(session: Session, outcome: Outcome, failure: Failure | None) -> Result:
    return Result(
        outcome=outcome,
        failure=failure,
        note=session.note,
        problems=tuple(session.problems),
        problem_count=session.problem_count,
    )


def _too_large(error: StateTooLarge) -> Failure:
    return Failure(
        type="StateTooLargeError",
        kind="limit",
        message=str(error),
        hint="Keep in the state only what later jobs need, or raise the job's limit.",
    )


def _out_of_memory() -> Failure:
    return Failure(type="OOMError", kind="limit", message="The job needed more memory than it may have.")


def _last_line(failure: Failure) -> str:
    place = f" (line {failure.line}: {failure.code_line})" if failure.line else ""
    return f"{failure.type}: {failure.message}{place}"
