"""Query parameters as DHIS2 reads them: repeated ones, flags, numbers and choices; lists in bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from openfn_platform.demo.standins.dhis2.reports import ApiError
from openfn_platform.demo.standins.wire import Request


class Params:
    """The parameters of one request, by name every value in order."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @classmethod
    def of(cls, request: Request) -> Params:
        """Of the query, and of the body when that is a form."""
        encoded = [request.query_string]
        if request.content_type == "application/x-www-form-urlencoded":
            encoded.append(request.text)
        values: dict[str, list[str]] = {}
        for text in encoded:
            for name, value in parse_qsl(text, keep_blank_values=True):
                values.setdefault(name, []).append(value)
        return cls(values)

    def __contains__(self, name: str) -> bool:
        return bool(self.get(name))

    def key(self, *, without: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """All of it as something to remember an answer by."""
        return tuple(
            sorted((name, tuple(values)) for name, values in self._values.items() if name not in without)
        )

    def renamed(self, names: Mapping[str, str]) -> Params:
        """The same under other names."""
        return Params({names.get(name, name): values for name, values in self._values.items()})

    def all(self, *names: str) -> list[str]:
        """Every value under any of the names."""
        return [value for name in names for value in self._values.get(name, ())]

    def get(self, *names: str) -> str | None:
        """The first value under any of the names."""
        return next((value for value in self.all(*names) if value), None)

    def uids(self, *names: str) -> list[str]:
        """Identifiers, repeated or in one value with `,` or `;` between them."""
        return [uid for value in self.all(*names) for uid in re.split("[,;]", value) if uid]

    def flag(self, name: str, otherwise: bool = False) -> bool:
        """A boolean."""
        text = (self.get(name) or str(otherwise)).lower()
        if text not in ("true", "false"):
            raise ApiError(400, f"Value '{text}' is not valid for parameter {name}. It should be a boolean")
        return text == "true"

    def number(self, name: str, otherwise: int) -> int:
        """A whole number from 1."""
        text = self.get(name)
        if text is None:
            return otherwise
        if not text.lstrip("-").isdecimal():
            raise ApiError(400, f"Value '{text}' is not valid for parameter {name}. It should be an integer")
        if int(text) < 1:
            raise ApiError(400, f"{name} must be greater than 0")
        return int(text)

    def choice(self, name: str, choices: Sequence[str], otherwise: str) -> str:
        """One of several words, in any case."""
        text = (self.get(name) or otherwise).upper()
        if text not in choices:
            told = f"Value '{text}' is not valid for parameter {name}. Valid values are: {list(choices)}"
            raise ApiError(400, told)
        return text


def objects_in(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects under a name of a body, none without it; 400 when it is something else."""
    held = holder.get(name)
    if held is None:
        return []
    if not isinstance(held, list) or not all(isinstance(one, dict) for one in held):
        raise ApiError(400, f"Unexpected input: `{name}` should be a list of objects")
    return held
