"""A language for tests: the job's code is plain Python with `state`, `channel`, `emit` and `answer` in scope.

What the code puts into `answer` is the final state; `final` and `memory` may be set to bytes instead.
"""

import json
from typing import Any

from jobs.language.contract import Failure, Outcome, Request, Result


def prepare() -> None:
    """Nothing to warm up."""


def execute(*, request: Request, state: bytes, channel: Any, emit: Any):
    names: dict[str, Any] = {
        "state": state,
        "request": request,
        "channel": channel,
        "emit": emit,
        "answer": {},
        "final": None,
        "memory": None,
        "settings": request.settings,
    }
    try:
        exec(compile(request.code, "job", "exec"), names)
    except MemoryError:
        raise
    except Exception as error:
        failure = Failure(type=type(error).__name__, message=str(error) or "nothing said")
        return Result(outcome=Outcome.FAILED, failure=failure), None, None
    final = names["final"]
    if final is None:
        final = json.dumps(names["answer"]).encode()
    return Result(outcome=Outcome.SUCCESS, note="done"), final, names["memory"]
