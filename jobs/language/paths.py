"""`value("form.case.@id")`: reading far into a message, and saying plainly what is not there.

    form.names.0.family      keys and list indexes, separated by dots
    form.names[0].family     the same
    ["a.b"].@id              a key that holds a dot or a bracket, in quotes
    rows[-1]                 from the end

An absent path gives the default, or fails with the names that do exist at that place, never with values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jobs.language.encoding import article
from jobs.language.errors import JobError, MissingValue
from jobs.language.names import listed, meant

_REQUIRED: Any = object()
_STEP = re.compile(
    r"""\.?\[\s*(?P<index>-?\d+)\s*\]      # [0]
      | \.?\[\s*"(?P<double>[^"]*)"\s*\]   # ["a.b"]
      | \.?\[\s*'(?P<single>[^']*)'\s*\]   # ['a.b']
      | \.?(?P<key>[^.\[\]]+)              # form, @id, #text, 0
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[str | int, ...]:
    """The steps of a path; whole numbers in brackets are indexes, elsewhere they are whichever the place asks for."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or (position == 0 and path.startswith(".")):
            raise JobError(f'`{path}` is not a path; write for example value("form.names[0].family")')
        steps.append(_step(match))
        position = match.end()
    if not steps:
        raise JobError('value() needs a path, for example value("form.name"); all of it is state.data')
    return tuple(steps)


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    found = match["double"] if match["double"] is not None else match["single"]
    return found if found is not None else match["key"]


def read(data: Any, path: str, *, default: Any = _REQUIRED, where: str = "message") -> Any:
    """What stands at the path."""
    if not isinstance(path, str):
        raise JobError(f"A path is text, not {article(type(path).__name__)}")
    place = data
    walked: list[str | int] = []
    for step in parse(path):
        try:
            place = _into(place, step)
        except LookupError:
            if default is not _REQUIRED:
                return default
            raise MissingValue(_missing(place, walked, step, where)) from None
        walked.append(step)
    return place


def _into(place: Any, step: str | int) -> Any:
    if isinstance(place, Mapping):
        if step in place:
            return place[step]
        return place[str(step)]
    if isinstance(place, list | tuple):
        try:
            return place[int(step)]
        except ValueError:
            raise LookupError from None
    raise LookupError


def _missing(place: Any, walked: list[str | int], step: str | int, where: str) -> str:
    here = _written(walked)
    wanted = f"`{_written([*walked, step])}` is not in the {where}"
    owner = f"`{here}`" if walked else f"the {where}"
    if isinstance(place, Mapping):
        return f"{wanted}; {owner} has: {listed(place)}{meant(str(step), map(str, place))}"
    if isinstance(place, list | tuple):
        if isinstance(step, int) or step.lstrip("-").isdigit():
            return f"{wanted}; {owner} has {len(place)} items"
        return f"{wanted}; {owner} is a list of {len(place)} items, so write for example `{here}[0].{step}`"
    if place is None:
        return f"{wanted}; {owner} is empty (null)"
    return f"{wanted}; {owner} is {_kind(place)}, not an object"


def _kind(place: Any) -> str:
    if isinstance(place, bool):
        return "true or false"
    if isinstance(place, str):
        return "text"
    return "a number" if isinstance(place, int | float) else article(type(place).__name__)


def _written(steps: list[str | int]) -> str:
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.search(r"[.\[\]]", step):
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


def reader(current: Callable[[], Any]) -> Callable[..., Any]:
    """The `value` function of a job: reads `data` of whatever the state is at that moment, or another object."""

    def value(path: str, default: Any = _REQUIRED, *, of: Any = _REQUIRED) -> Any:
        if of is not _REQUIRED:
            return read(of, path, default=default, where="object")
        return read(current().get("data"), path, default=default)

    return value
