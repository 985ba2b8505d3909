"""`jsonpath`: every value at a JSONPath."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jsonpath_ng.exceptions import JsonPathLexerError, JsonPathParserError
from jsonpath_ng.ext.parser import parse

from jobs.adaptors.errors import ValidationError


def jsonpath(expression: str, data: Any) -> list[Any]:
    """All values at a path, possibly none: `jsonpath("$.form.children[*].name", state.data)`."""
    return [found.value for found in _parsed(expression).find(data)]


@lru_cache(maxsize=256)
def _parsed(expression: str) -> Any:
    try:
        return parse(expression)
    except (JsonPathLexerError, JsonPathParserError) as error:
        raise ValidationError(f"'{expression}' is no JSONPath: {error}", sent=False) from None
