"""The JSON Schema of an inbox: what it may be, and what is wrong with a message. Pure.

Draft 2020-12, checked when it is saved. Nothing is ever fetched: a `$ref` leads to another place of the same schema.
A schema is written by somebody who may not know what a hostile message does with it, so it is bounded: patterns
take linear time (`common.patterns`), references go in no circle, and checking one message ends after two seconds.
What is wrong is told by place and rule. Values of the message are never repeated, nor names that the schema does
not know: refusals are counted and shown to people who may not see data.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from openfn_platform.common.errors import Invalid
from openfn_platform.common.patterns import BadPattern, TakesTooLong, pattern_compiled
from triggers.bodies import Refused, parsed
from triggers.schemaformats import FORMATS
from triggers.schemawords import sentence

MOST_BYTES = 64_000
MOST_PROBLEMS = 10
SECONDS = 2.0
DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Where schemas stand inside a schema: those of the first three rows look at the same value again.
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_ONES = ("not", "if", "then", "else")
_SAME_MAPS = ("dependentSchemas",)
_INNER_LISTS = ("prefixItems",)
_INNER_ONES = (
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_INNER_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_NOT_TAKEN = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "dependencies")


class SchemaMismatch(Refused):
    """The message does not fit the schema of this inbox."""

    code = "schema_mismatch"
    status = 422


class TooCostlyToCheck(Refused):
    """The message is too large or too deep to be compared with the schema of this inbox."""

    code = "schema_too_costly"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One place of a message that does not fit."""

    path: str  # form.items[2].age; empty: the message itself
    detail: str


# ---- a message --------------------------------------------------------------------------------------------


class Schema:
    """A checked schema, ready to look at messages. Safe to use from several threads."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        anonymous = {
            name: value for name, value in document.items() if name != "$id"
        }  # so `#` means this one
        self._validator = _Validator(anonymous, registry=Registry(), format_checker=_formats())
        self._names = _known_names(document)

    def problems(self, body: Any) -> list[Problem]:
        """What is wrong, at most ten and one to say that there is more. Raises TooCostlyToCheck."""
        _watch.until = time.monotonic() + SECONDS
        try:
            found = list(islice(self._validator.iter_errors(body), MOST_PROBLEMS + 1))
        except (TakesTooLong, RecursionError):
            raise TooCostlyToCheck() from None
        return [Problem(path=self._path(error), detail=sentence(error)) for error in found]

    def check(self, body: Any) -> None:
        """Raises SchemaMismatch with the places that do not fit."""
        found = self.problems(body)
        if not found:
            return
        told, more = found[:MOST_PROBLEMS], len(found) > MOST_PROBLEMS
        place = f"`{told[0].path}`" if told[0].path else "the message"
        others = " There is more." if more else f" {len(told) - 1} more." if len(told) > 1 else ""
        raise SchemaMismatch(
            f"The message does not fit the schema of this inbox: {place} {told[0].detail}.{others}",
            errors=[{"path": problem.path, "detail": _as_sentence(problem.detail)} for problem in told],
        )

    def _path(self, error: ValidationError) -> str:
        """As matching writes paths; `*` for a name that only the message has."""
        steps: list[str] = []
        for step in error.absolute_path:
            if isinstance(step, int):
                steps.append(f"[{step}]")
            else:
                steps.append("." + (str(step) if step in self._names else "*"))
        return "".join(steps).removeprefix(".")[:300]


def _as_sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def _known_names(document: Any) -> frozenset[str]:
    names: set[str] = set()
    for _path, schema, _same in _walk(document):
        names.update(schema.get("properties", {}))
    return frozenset(names)


# ---- keywords, each of which looks at the clock; some of the library's own take too long or say too much ---

_watch = threading.local()


def _in_time(keyword: Any) -> Any:
    def watched(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if time.monotonic() > _watch.until:
            raise TakesTooLong()
        yield from keyword(validator, value, instance, schema) or ()

    return watched


def _found(source: str, text: str) -> bool:
    return pattern_compiled(source).search(text, until=_watch.until)


def _pattern(_validator: Any, source: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _found(source, instance):
        yield ValidationError("")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for source, schema in patterns.items():
            for name, value in instance.items():
                if _found(source, name):
                    yield from validator.descend(value, schema, path=name, schema_path=source)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    others = [
        name
        for name in instance
        if name not in known and not any(_found(source, name) for source in patterns)
    ]
    if allowed is False and others:
        yield ValidationError(str(len(others)))
    elif isinstance(allowed, dict):
        for name in others:
            yield from validator.descend(instance[name], allowed, path=name)


def _required(_validator: Any, names: list[str], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(name)


def _multiple_of(_validator: Any, divisor: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    number = isinstance(instance, int | float) and not isinstance(instance, bool)
    if number and _exact(instance) % _exact(divisor):
        yield ValidationError("")


def _unique_items(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_frozen(item) for item in instance}) < len(instance):
        yield ValidationError("")


def _exact(number: int | float) -> Fraction:
    """The number that was written: 0.3 is a multiple of 0.1."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _frozen(value: Any) -> Any:
    """Equal exactly where JSON Schema says equal: 1 is 1.0 and not true."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(item)) for name, item in value.items())
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


_OWN = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
    "multipleOf": _multiple_of,
    "uniqueItems": _unique_items,
}
_Validator: Any = extend(  # type: ignore[no-untyped-call]  # has no types
    Draft202012Validator,
    {name: _in_time(_OWN.get(name, keyword)) for name, keyword in Draft202012Validator.VALIDATORS.items()},
)


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, test in FORMATS.items():
        checker.checks(name)(test)
    return checker


# ---- a schema ---------------------------------------------------------------------------------------------


def schema_checked(document: object) -> dict[str, Any]:
    """The schema, if it can be one of an inbox. Raises Invalid with the place that is wrong."""
    if not isinstance(document, dict):
        raise _wrong("", "a schema must be a JSON object, in braces")
    try:
        raw = json.dumps(document, allow_nan=False).encode()
        if len(raw) > MOST_BYTES:
            raise _wrong("", f"it may have at most {MOST_BYTES:,} bytes")
        known: dict[str, Any] = parsed(raw)
    except (ValueError, RecursionError):
        raise _wrong("", "it is no JSON") from None
    except Refused as refusal:
        raise _wrong("", refusal.message[:1].lower() + refusal.message[1:].rstrip(".")) from None
    if known.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        raise _wrong("$schema", f"only draft 2020-12 is taken: {DIALECT}")
    try:
        Draft202012Validator.check_schema(known, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        place = ".".join(str(step) for step in error.absolute_path)
        raise _wrong(place, f"{error.message[:200]}") from None
    _check_keywords(known)
    _check_references(known)
    return known


def _wrong(path: str, what: str) -> Invalid:
    place = f"at `{path[:200]}`, " if path else ""
    return Invalid(f"This schema cannot be used: {place}{what.rstrip('.')}.", field="schema")


def _walk(document: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    """(path, schema, those inside that look at the same value) of every schema in a schema."""
    todo: list[tuple[str, Any]] = [(path, document)]
    while todo:
        here, schema = todo.pop()
        if not isinstance(schema, dict):
            continue  # true or false
        same = list(_inside(schema, here, _SAME_LISTS, _SAME_ONES, _SAME_MAPS))
        inner = list(_inside(schema, here, _INNER_LISTS, _INNER_ONES, _INNER_MAPS))
        yield here, schema, [each for _, each in same]
        todo += same + inner


def _inside(
    schema: dict[str, Any], path: str, lists: tuple[str, ...], ones: tuple[str, ...], maps: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    start = f"{path}." if path else ""
    for name in lists:
        yield from ((f"{start}{name}.{n}", each) for n, each in enumerate(schema.get(name, ())))
    for name in ones:
        if name in schema:
            yield f"{start}{name}", schema[name]
    for name in maps:
        yield from ((f"{start}{name}.{key}", each) for key, each in schema.get(name, {}).items())


def _check_keywords(document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for path, schema, _same in _walk(document):
        seen.update(schema)
        if "$id" in schema and path:
            raise _wrong(path, "only the schema as a whole may have an $id")
        for name in _NOT_TAKEN:
            if name in schema:
                raise _wrong(path, f"{name} is not taken; use $ref and $defs")
        sources = [
            *schema.get("patternProperties", {}),
            *([schema["pattern"]] if "pattern" in schema else []),
        ]
        for source in sources:
            try:
                pattern_compiled(source)
            except BadPattern as error:
                raise _wrong(path, f"{error.message[:1].lower()}{error.message[1:]}") from None
    if {"unevaluatedProperties", "patternProperties"} <= seen:
        raise _wrong("", "unevaluatedProperties and patternProperties cannot be used together")


def _check_references(document: dict[str, Any]) -> None:
    """Each leads to a schema of this document, and following them one always gets to another value."""
    schemas = {id(schema): (path, schema, same) for path, schema, same in _walk(document)}
    anchors = {schema["$anchor"]: schema for _, schema, _ in schemas.values() if "$anchor" in schema}
    same: dict[int, list[int]] = {}
    for key, (path, schema, beside) in schemas.items():
        same[key] = [id(each) for each in beside if isinstance(each, dict)]
        if "$ref" in schema:
            target = _target(document, anchors, schema["$ref"])
            if target is not True and target is not False:
                if id(target) not in schemas:
                    raise _wrong(
                        path,
                        "$ref must lead to a schema in this document, for example #/$defs/person; nothing is fetched",
                    )
                same[key].append(id(target))
    circle = _circle(same)
    if circle is not None:
        raise _wrong(schemas[circle][0], "its references lead back to itself without an end")


def _target(document: Any, anchors: Mapping[str, Any], reference: str) -> Any:
    """What a reference means; None when that is nothing in this document."""
    if not reference.startswith("#") or "%" in reference:  # an escape could be read in two ways
        return None
    pointer = reference[1:]
    if pointer and not pointer.startswith("/"):
        return anchors.get(pointer)
    found = document
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(found):
            found = found[int(step[:9])]
        else:
            return None
    return found


def _circle(follow: Mapping[int, list[int]]) -> int | None:
    """A node that one comes back to, if there is one. With a stack of its own: a chain may be long."""
    done: set[int] = set()
    for start in follow:
        open_nodes: set[int] = set()
        stack: list[tuple[int, Iterator[int]]] = []
        if start not in done:
            stack.append((start, iter(follow[start])))
            open_nodes.add(start)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                open_nodes.discard(node)
                done.add(node)
            elif following in open_nodes:
                return following
            elif following not in done:
                open_nodes.add(following)
                stack.append((following, iter(follow[following])))
    return None
