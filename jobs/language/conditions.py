"""Conditions of flow triggers, decided over the state that the next job would start with.

One that raises, or takes too long, counts as false, and the reason is kept as a sentence. Every condition gets a
state of its own, read anew from the bytes: one that changes something cannot mislead the next.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jobs.language.contract import Condition
from jobs.language.encoding import decode
from jobs.language.errors import Told
from jobs.language.plain import text_of, told_by_interpreter

Decide = Callable[[str, dict[str, Any]], bool]

# A finished job's result must not be lost to an expression that never ends.
SECONDS = 5.0


class TooSlow(Told, BaseException):
    """It took longer than 5 seconds."""


def decide_all(
    conditions: Iterable[Condition], *, body: bytes, decide: Decide
) -> tuple[dict[str, bool], dict[str, str]]:
    """Answers and errors, by trigger."""
    answers: dict[str, bool] = {}
    errors: dict[str, str] = {}
    for condition in conditions:
        try:
            with _deadline(SECONDS):
                answers[condition.trigger] = decide(condition.expression, decode(body))
        except (
            BaseException
        ) as error:  # the author's code may raise anything, and the run itself has ended well
            answers[condition.trigger] = False
            errors[condition.trigger] = f"The condition counts as false: {_reason(error)}"
    return answers, errors


def matching(conditions: Iterable[Condition], *, succeeded: bool) -> list[Condition]:
    """Those whose event has happened."""
    event = "success" if succeeded else "failure"
    return [condition for condition in conditions if condition.event in {event, "completion"}]


def _reason(error: BaseException) -> str:
    if isinstance(error, TooSlow):
        return f"it took longer than {SECONDS:g} seconds."
    if isinstance(error, Told):
        return f"{text_of(error).rstrip('.')}."
    if isinstance(error, SyntaxError):
        return f"it is not an expression ({error.msg})."
    if isinstance(error, NameError):
        return f"`{error.name}` is not known in a condition; there are `state` and `value`."
    return f"{told_by_interpreter(error)}."


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach only the main thread; in a child this is it
        return

    def stop(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
