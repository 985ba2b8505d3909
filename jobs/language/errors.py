"""What a job's own tools raise. Every text is a sentence that names names and types, never values.

Told                     mixin: the text may be shown as it is
├── JobError             the job said so: fail(), a missing value, a wrong setting (Exception: may be caught)
│   ├── MissingValue     value("…") found nothing
│   └── MissingName      an attribute or key that settings, state, run … do not have
├── CodeError            the job cannot be called as it is written
├── StateTooLarge        over the job's limit
├── NotJSON              the state holds something that JSON cannot
├── SkipSignal           skip(): not an Exception, so that `except Exception` does not swallow it
└── UnsureSignal         once(): begun before and no result known; ends the run for the same reason
"""


class Told:
    """Mixed into errors whose text was written for people and holds no values."""

    hint: str | None = None


class JobError(Told, Exception):
    """The job ended itself, or used one of its tools in a way that cannot work."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


class MissingValue(JobError, LookupError):
    """A path that leads nowhere in `state.data`."""


class MissingName(JobError, AttributeError, KeyError):
    """A name that an object of the platform does not have."""

    def __str__(self) -> str:
        # KeyError would show the text in quotes.
        return str(self.args[0])


class CodeError(Told, Exception):
    """The code compiles, but cannot be called."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)


class NotJSON(Told, ValueError):
    """A value that has no JSON form; the text says where it is."""


class StateTooLarge(Told, Exception):
    """The state is bigger than this job may have."""


class SkipSignal(Told, BaseException):
    """skip(reason)."""


class UnsureSignal(Told, BaseException):
    """A call that may have been made, and nobody knows."""
