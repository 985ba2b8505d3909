"""A job can write anything into its result: what comes out here has the right types and bounded lengths.

Text leaves without NUL, lone surrogates and control characters, which PostgreSQL or a terminal would choke on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from jobs.language.contract import Failure, Outcome, Result
from runs.sandbox.wire import JSONObject, Malformed

SENTENCE = 4_000
NAME = 200
PROBLEMS = 1_000
CONDITIONS = 1_000
DEPTH = 30

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")

Redact = Callable[[str], str]


def clean_text(text: str) -> str:
    """Without terminal colours and everything that is not a character to read; tab and newline stay."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", " ")
    return _SURROGATES.sub("\ufffd", _UNSAFE.sub("", text))


def clean_value(value: Any, *, redact: Redact, depth: int = DEPTH) -> Any:
    """The same for every text inside a JSON value, its keys included."""
    if isinstance(value, str):
        return redact(clean_text(value))
    if depth == 0:
        return "…"
    if isinstance(value, list):
        return [clean_value(item, redact=redact, depth=depth - 1) for item in value]
    if isinstance(value, dict):
        return {
            redact(clean_text(key)): clean_value(item, redact=redact, depth=depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class ResultReader:
    """Checks one result; raises `Malformed` naming the field that is not as agreed."""

    def __init__(self, *, redact: Redact) -> None:
        self._redact = redact

    def read(self, header: JSONObject) -> Result:
        self._known(header, Result)
        return Result(
            outcome=self._outcome(header.get("outcome")),
            failure=self._failure(header.get("failure")),
            note=self._text(header, "note", SENTENCE),
            problems=self._problems(header.get("problems", [])),
            problem_count=self._count(header.get("problem_count", 0)),
            conditions=self._map(header.get("conditions", {}), bool, "conditions"),
            condition_errors={
                key: self._sentence(text, SENTENCE)
                for key, text in self._map(
                    header.get("condition_errors", {}), str, "condition_errors"
                ).items()
            },
        )

    def _known(self, value: JSONObject, kind: type[Any]) -> None:
        if not value.keys() <= {field.name for field in fields(kind)}:
            raise Malformed(f"its {kind.__name__.lower()} has fields that nobody knows")

    def _sentence(self, text: str, limit: int) -> str:
        text = self._redact(clean_text(text[: limit + NAME]))
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def _text(self, value: JSONObject, name: str, limit: int) -> str | None:
        text = value.get(name)
        if text is None:
            return None
        if not isinstance(text, str):
            raise Malformed(f"its {name} is not text")
        return self._sentence(text, limit)

    def _outcome(self, value: object) -> Outcome:
        if value not in list(Outcome):
            raise Malformed("its outcome is none of those agreed")
        return Outcome(str(value))

    def _count(self, value: object) -> int:
        if type(value) is not int or not 0 <= value < 2**31:
            raise Malformed("its number of problems is not a number")
        return value

    def _map(self, value: object, kind: type[Any], name: str) -> dict[str, Any]:
        right = isinstance(value, dict) and all(type(item) is kind for item in value.values())
        if not isinstance(value, dict) or not right or len(value) > CONDITIONS:
            raise Malformed(f"its {name} are not as agreed")
        return {self._sentence(key, NAME): item for key, item in value.items()}

    def _problems(self, value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, list):
            raise Malformed("its problems are not a list")
        return tuple(self._problem(item) for item in value[:PROBLEMS])

    def _problem(self, value: object) -> tuple[str, str]:
        match value:
            case [str(key), str(reason)]:
                return self._sentence(key, NAME), self._sentence(reason, SENTENCE)
        raise Malformed("one of its problems is not a key with a reason")

    def _failure(self, value: object) -> Failure | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Malformed("its failure is not an object")
        self._known(value, Failure)
        kind, message = self._text(value, "type", NAME), self._text(value, "message", SENTENCE)
        if not kind or message is None:
            raise Malformed("its failure has no type or no message")
        return Failure(
            type=kind,
            message=message,
            hint=self._text(value, "hint", SENTENCE),
            line=self._number(value, "line"),
            code_line=self._text(value, "code_line", SENTENCE),
            status=self._number(value, "status"),
            kind=self._text(value, "kind", NAME) or "job",
            retryable=value.get("retryable") is True,
            retry_after=self._seconds(value.get("retry_after")),
            connection=self._text(value, "connection", NAME),
            credential=self._text(value, "credential", NAME),
        )

    def _number(self, value: JSONObject, name: str) -> int | None:
        number = value.get(name)
        if number is None:
            return None
        if type(number) is not int or not 0 <= number < 2**31:
            raise Malformed(f"its {name} is not a number")
        return number

    def _seconds(self, value: object) -> float | None:
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 <= value <= 10**9:  # type: ignore[operator]
            raise Malformed("its retry_after is not a number of seconds")
        return float(value)  # type: ignore[arg-type]
