"""The root of every error that somebody can understand and act on.

    PlatformError            code, HTTP status, one sentence
    ├── NotAllowed           403: the person's role does not allow it
    ├── NotFound             404: also for what belongs to somebody else
    ├── Conflict             409: the thing is in another state by now
    └── Invalid              422: what was sent cannot be used; `field` says where

A subclass's docstring is its default message, so raising needs no text. `common.drf` turns them into
problem+json once; views never catch them. Pure: no Django here, adaptors and the sandbox use it too.
"""


class PlatformError(Exception):
    """Something went wrong that can be explained."""

    code = "platform_error"
    status = 400

    def __init__(self, message: str = "", **context: object) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.context = context
        super().__init__(self.message)


class NotAllowed(PlatformError):
    """Your role in this project does not allow that."""

    code = "not_allowed"
    status = 403


class NotFound(PlatformError):
    """There is nothing here by that name."""

    code = "not_found"
    status = 404


class Conflict(PlatformError):
    """That is not possible in the present state."""

    code = "conflict"
    status = 409


class Invalid(PlatformError):
    """What was sent cannot be used."""

    code = "invalid"
    status = 422
