"""`once(key, fn, …)`: a call that is not repeated when the run is.

*Begun* is remembered before the call and the JSON result after it. A retry gets the remembered result. Begun without
result means that the call may have reached the partner: the run ends, and a person says what happened.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jobs.language.channel import Channel
from jobs.language.encoding import decode, encode
from jobs.language.errors import JobError, NotJSON, UnsureSignal
from jobs.language.session import Session

LONGEST_KEY = 200
# Of httpx used directly, raised before a byte of the request was sent.
_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError", "gaierror"}
)


class Once:
    """The `once` of one run."""

    def __init__(self, *, channel: Channel, session: Session, dry: bool) -> None:
        self._channel = channel
        self._session = session
        self._dry = dry

    def __call__(self, key: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        _check(key, fn, args, kwargs)
        if self._dry:
            # Nothing is sent in a dry run, so there is nothing to remember; the result looks as it would live.
            return _plain(key, fn(*args, **kwargs))
        answer = self._channel.ask("once.begin", {"key": key})
        status = answer.get("status")
        if status == "done":
            self._session.once_done = True
            self._session.log(
                "info", f"{key!r} was done by an earlier attempt; its result is used", source="platform"
            )
            return answer.get("result")
        if status != "new":
            # Kept, so that a bare `except:` in the job cannot make the run go on as if nothing were open.
            self._session.unsure = UnsureSignal(
                f"{key!r} may have been sent; look, then choose *it was* or *send again*"
            )
            raise self._session.unsure
        return self._call(key, fn, args, kwargs)

    def _call(self, key: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = self._session.writes, self._session.unanswered
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            if was_refused(error) and not self._went_through(before, error):
                self._channel.ask("once.undo", {"key": key})
            else:
                self._session.once_done = True
            raise
        self._session.once_done = True
        remembered = _plain(key, result)
        self._channel.ask("once.done", {"key": key, "result": remembered})
        return remembered

    def _went_through(self, before: tuple[int, int], error: BaseException) -> bool:
        """Whether the function had done something else before the exchange that failed."""
        if self._session.writes > before[0]:
            return True
        # A partner that was never reached leaves its own exchange without an answer; a refusal is one.
        return getattr(error, "status", None) is not None and self._session.unanswered > before[1]


def was_refused(error: BaseException) -> bool:
    """Whether the error proves that nothing was done: the partner said no, or was never reached."""
    sent = getattr(error, "sent", None)  # what an adaptor knows about its own request
    if sent is not None:
        return sent is False
    return any(type(cause).__name__ in _NEVER_SENT for cause in _causes(error))


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _plain(key: str, result: Any) -> Any:
    """As JSON gives it back, so that the first attempt sees what a retry will see."""
    try:
        return decode(encode(result, root="result"))
    except NotJSON as error:
        # Left as begun: a retry must not take the result for empty.
        raise JobError(
            f"{key!r} was called, but what it gave back cannot be remembered: {error}",
            hint="Let the function that once() calls give back plain text, numbers, lists and objects.",
        ) from None


def _check(key: object, fn: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Everything that can be wrong before the call is found before anything is remembered."""
    if not isinstance(key, str) or not key.strip():
        raise JobError('once() needs a key first, for example once("create patient", openmrs.create, …)')
    if len(key) > LONGEST_KEY:
        raise JobError(f"The key of once() has more than {LONGEST_KEY} characters")
    if not callable(fn):
        raise JobError(
            "once() got the result of a call instead of the function",
            hint='Write once("key", openmrs.create, "patient", …), without brackets after the function.',
        )
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # some built-in functions have none
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise JobError(f"once() cannot call `{getattr(fn, '__name__', 'the function')}`: {error}") from None
