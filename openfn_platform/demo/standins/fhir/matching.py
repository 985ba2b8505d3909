"""Whether a resource meets one condition of a search."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from openfn_platform.demo.standins.fhir.moments import COMPARED, span_in, span_of
from openfn_platform.demo.standins.fhir.outcomes import Refused, Resource
from openfn_platform.demo.standins.fhir.parameters import Parameter
from openfn_platform.demo.standins.fhir.paths import values_at

Test = Callable[[Resource], bool]
MODIFIERS = {"token": ("not", "missing"), "string": ("exact", "contains", "missing"), "date": ("missing",)}
MODIFIERS |= {"uri": ("missing",), "reference": ("missing", "identifier")}


def values_of(resource: Resource, parameter: Parameter) -> Iterator[Any]:
    """The values that a parameter looks at."""
    for path in parameter.paths:
        for value in values_at(resource, path):
            if not parameter.only or (isinstance(value, dict) and value.get("system") == parameter.only):
                yield value


def condition(name: str, parameter: Parameter, modifier: str, asked: str) -> Test:
    """The test for `name:modifier=asked`; values with commas between are alternatives."""
    if parameter.kind == "reference" and modifier[:1].isupper():
        asked, modifier = ",".join(f"{modifier}/{v}" for v in alternatives(asked)), ""
    if modifier and modifier not in MODIFIERS[parameter.kind]:
        raise Refused(400, "not-supported", f"Modifier ':{modifier}' of '{name}' is not supported")
    if modifier == "missing":
        wanted = asked == "true"
        return lambda resource: (next(values_of(resource, parameter), None) is None) is wanted
    tests = [_test(parameter, modifier, value) for value in alternatives(asked)]
    if modifier == "not":
        return lambda resource: not any(test(v) for v in values_of(resource, parameter) for test in tests)
    return lambda resource: any(test(value) for value in values_of(resource, parameter) for test in tests)


def alternatives(text: str) -> list[str]:
    r"""Values with commas between; `\,` is a comma in a value."""
    return [re.sub(r"\\([,|$\\])", r"\1", part) for part in re.split(r"(?<!\\),", text)]


def reference_to(value: Any) -> str:
    """`Patient/1` of a reference, whatever stands before and behind it."""
    text = value.get("reference") if isinstance(value, dict) else value
    found = (
        re.search(r"([A-Za-z]+/[A-Za-z0-9\-.]+)(/_history/[^/]+)?$", text) if isinstance(text, str) else None
    )
    return found[1] if found else ""


def _test(parameter: Parameter, modifier: str, asked: str) -> Callable[[Any], bool]:
    if parameter.kind == "token" or modifier == "identifier":
        return lambda value: _token_is(value.get("identifier") if modifier == "identifier" else value, asked)
    if parameter.kind == "string":
        return _string_test(modifier, asked)
    if parameter.kind == "date":
        return _date_test(asked)
    if parameter.kind == "reference":
        return _reference_test(parameter, asked)
    return lambda value: bool(value == asked)


def _token_is(value: Any, asked: str) -> bool:
    system, bar, code = asked.rpartition("|")
    for own_system, own_code in _tokens(value):
        if isinstance(value, str | bool):
            if own_code == code:  # a plain code has its system from the definition
                return True
        elif (not code or own_code == code) and (not bar or (own_system or "") == system):
            return True
    return False


def _tokens(value: Any) -> Iterator[tuple[str | None, str]]:
    """System and code of a code, flag, coding, concept, identifier or contact point."""
    if isinstance(value, bool):
        yield None, str(value).lower()
    elif isinstance(value, str):
        yield None, value
    elif isinstance(value, dict):
        for coding in value.get("coding", ()):
            yield coding.get("system"), str(coding.get("code", ""))
        if "code" in value or "value" in value:
            yield value.get("system"), str(value.get("code", value.get("value", "")))


def _string_test(modifier: str, asked: str) -> Callable[[Any], bool]:
    if modifier == "exact":
        return lambda value: asked in _texts(value)
    folded = _folded(asked)
    if modifier == "contains":
        return lambda value: any(folded in _folded(text) for text in _texts(value))
    return lambda value: any(_folded(text).startswith(folded) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """The texts of a name, an address or a text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("use", "period", "extension"):
                yield from _texts(inner)


def _folded(text: str) -> str:
    """Without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))


def _date_test(asked: str) -> Callable[[Any], bool]:
    prefix, text = (asked[:2], asked[2:]) if asked[:2] in COMPARED else ("eq", asked)
    try:
        span = span_of(text)
    except (ValueError, OverflowError):
        raise Refused(400, "value", f"Invalid date/time format: '{asked}'") from None

    def test(value: Any) -> bool:
        stored = span_in(value)
        return stored is not None and COMPARED[prefix](stored, span)

    return test


def _reference_test(parameter: Parameter, asked: str) -> Callable[[Any], bool]:
    wanted = reference_to(asked) if "/" in asked else asked

    def test(value: Any) -> bool:
        kind, _, unique = reference_to(value).partition("/")
        if parameter.targets and kind not in parameter.targets:
            return False
        return wanted in (f"{kind}/{unique}", unique) and bool(unique)

    return test
