"""Query parameters of lists: declared once, they filter, explain themselves in the schema, and refuse nonsense.

A parameter that a list does not know is refused and not ignored: a misspelt filter would answer with everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.models import KEY_LENGTH, as_uuid

LONGEST = 500
FIELDS = "fields"

_KEY = re.compile(rf"[a-z0-9-]{{1,{KEY_LENGTH}}}")
_WHOLE = re.compile(r"[0-9]{1,10}")
_SPACE_FOR_PLUS = re.compile(r" (?=\d\d:?\d\d$)")  # `+` in an address means a blank unless it is escaped


class BadParameter(PlatformError):
    """The address has a parameter that cannot be used."""

    code = "bad_parameter"
    status = 400


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One filter of a list. `read` makes the conditions of a text, or raises BadParameter."""

    name: str
    about: str
    read: Callable[[str], dict[str, Any]]
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    usual: str | None = None  # what holds when it is not given

    def operation(self) -> dict[str, Any]:
        """The parameter as OpenAPI describes it."""
        schema = self.schema
        if self.usual is not None:
            boolean = schema["type"] == "boolean"
            schema = {**schema, "default": self.usual == "true" if boolean else self.usual}
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "description": self.about,
            "schema": schema,
        }


def of_id(name: str, about: str, *, path: str) -> Parameter:
    """Rows whose `path` is that id."""

    def read(text: str) -> dict[str, Any]:
        found = as_uuid(text)
        if found is None:
            raise BadParameter(f"`{name}` must be an id, as the API gives them.", field=name)
        return {path: found}

    return Parameter(name=name, about=about, read=read, schema={"type": "string", "format": "uuid"})


def of_id_or_key(name: str, about: str, *, path: str) -> Parameter:
    """Rows that point along `path` to something with that id or that key."""

    def read(text: str) -> dict[str, Any]:
        found = as_uuid(text)
        if found is not None:
            return {f"{path}_id": found}
        if not _KEY.fullmatch(text):
            raise BadParameter(f"`{name}` must be an id or a key such as `register-patient`.", field=name)
        return {f"{path}__key": text}

    return Parameter(name=name, about=about, read=read)


def of_words(
    name: str, about: str, *, path: str, words: Iterable[str], usual: str | None = None
) -> Parameter:
    """Rows in one of several states; the words are separated by commas."""
    known = [str(word) for word in words]

    def read(text: str) -> dict[str, Any]:
        wanted = [word.strip() for word in text.split(",")]
        if any(word not in known for word in wanted):
            raise BadParameter(f"`{name}` must be one or more of: {', '.join(known)}.", field=name)
        return {f"{path}__in": wanted}

    return Parameter(
        name=name,
        about=f"{about} One or more, separated by commas: {', '.join(known)}.",
        read=read,
        usual=usual,
    )


def of_flag(
    name: str, about: str, *, path: str, reverse: bool = False, usual: str | None = None
) -> Parameter:
    def read(text: str) -> dict[str, Any]:
        if text not in ("true", "false"):
            raise BadParameter(f"`{name}` must be true or false.", field=name)
        return {path: (text == "true") is not reverse}

    return Parameter(name=name, about=about, read=read, schema={"type": "boolean"}, usual=usual)


def of_time(name: str, about: str, *, path: str) -> Parameter:
    """Rows before or after a moment; `path` ends in a comparison."""

    def read(text: str) -> dict[str, Any]:
        try:
            moment = datetime.fromisoformat(_SPACE_FOR_PLUS.sub("+", text))
            if moment.tzinfo is None:
                raise ValueError
            moment = moment.astimezone(UTC)  # fails outside the years that there are
        except (ValueError, OverflowError):
            raise BadParameter(
                f"`{name}` must be a time with its zone, for example 2026-01-31T08:00:00Z.", field=name
            ) from None
        return {path: moment}

    return Parameter(name=name, about=about, read=read, schema={"type": "string", "format": "date-time"})


def whole_number(name: str, text: str, *, least: int, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise BadParameter(f"`{name}` must be a whole number from {least:,} to {most:,}.", field=name)
    return int(text)


def fields_wanted(request: Request, known: Iterable[str] | None = None) -> list[str] | None:
    """The names in `fields=`; None where it is not given. With `known` they are held against it."""
    text = request.query_params.get(FIELDS)
    if text is None:
        return None
    wanted = [name.strip() for name in text.split(",")]
    if known is not None and not set(wanted) <= set(known):
        raise BadParameter(f"`{FIELDS}` must be one or more of: {', '.join(known)}.", field=FIELDS)
    return wanted


def parameters_check(given: QueryDict, known: Sequence[str]) -> None:
    """Refuse what is unknown, stands twice, or cannot be text."""
    for name, values in given.lists():
        if name not in known:
            offered = f"it takes {', '.join(known)}" if known else "it takes none"
            raise BadParameter(f"This address has no parameter “{_shown(name)}”; {offered}.")
        if len(values) > 1:
            raise BadParameter(f"`{name}` stands in the address more than once.", field=name)
        if "\0" in values[0] or len(values[0]) > LONGEST:
            raise BadParameter(f"`{name}` is too long, or has a character that no text has.", field=name)


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in name[:40])


class ParameterFilter(BaseFilterBackend):
    """Narrows a list by the `parameters` that its view declares."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        for parameter in view.parameters:
            text = request.query_params.get(parameter.name, parameter.usual)
            if text is not None:
                queryset = queryset.filter(**parameter.read(text))
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [parameter.operation() for parameter in view.parameters]
