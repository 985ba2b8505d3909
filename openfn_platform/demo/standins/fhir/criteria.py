"""Conditions of a search on one type: which resources meet all of them, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openfn_platform.demo.standins.fhir.catalogue import TYPES
from openfn_platform.demo.standins.fhir.matching import Test, condition, reference_to, values_of
from openfn_platform.demo.standins.fhir.moments import span_in
from openfn_platform.demo.standins.fhir.outcomes import Refused
from openfn_platform.demo.standins.fhir.parameters import Parameter, parameters_of
from openfn_platform.demo.standins.fhir.repository import Repository
from openfn_platform.demo.standins.store import Record

Pairs = list[tuple[str, str]]
# Parameters about the answer, not about the resources.
ABOUT_ANSWER = (
    "_count", "_sort", "_summary", "_total", "_include", "_revinclude", "_elements", "_format", "_pretty",
)  # fmt: skip
# What stands for an element of several parts when resources are sorted.
SORTED_BY = ("family", "text", "value", "code", "reference")


class Criteria:
    """Finds resources."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def find(self, kind: str, pairs: Pairs, *, strict: bool) -> list[Record]:
        """All resources of a type that meet the conditions; unknown ones are ignored unless told to be strict."""
        tests = [self._test(kind, name, value) for name, value in self.understood(kind, pairs, strict=strict)]
        found = self._repository.all(kind)
        return [record for record in found if all(test(record["resource"]) for test in tests)]

    def one(self, kind: str, pairs: Pairs) -> Record | None:
        """The one resource that a condition of a write means. Several are refused, and so is no condition."""
        if not self.understood(kind, pairs, strict=True):
            raise Refused(400, "invalid", f"No criteria were given to find the {kind}")
        found = self.find(kind, pairs, strict=True)
        if len(found) > 1:
            told = f"The criteria match {len(found)} resources of type {kind}: {_text(pairs)}"
            raise Refused(412, "multiple-matches", told)
        return found[0] if found else None

    def understood(self, kind: str, pairs: Pairs, *, strict: bool) -> Pairs:
        """The conditions that the server knows; an empty value is no condition."""
        kept = []
        for name, value in pairs:
            if name in ABOUT_ANSWER:
                continue
            if self._parameter(kind, name) is None:
                if strict or name.startswith("_has"):  # ignoring this one would find far too much
                    told = f"Unknown search parameter '{name}' for resource type '{kind}'"
                    raise Refused(400, "not-supported", told)
            elif value:
                kept.append((name, value))
        return kept

    def in_order(self, kind: str, records: list[Record], order: str) -> list[Record]:
        """In the order of `_sort`; what has no value comes last."""
        for name in reversed([part for part in order.split(",") if part]):
            parameter = parameters_of(kind).get(name.removeprefix("-"))
            if parameter is None:
                raise Refused(400, "not-supported", f"Cannot sort by '{name}'")
            keyed = [(_key(record, parameter), record) for record in records]
            there = sorted((k for k in keyed if k[0]), key=lambda k: k[0], reverse=name.startswith("-"))
            records = [record for _, record in (*there, *(k for k in keyed if not k[0]))]
        return records

    def included(self, matches: list[Record], include: str) -> Iterator[Record]:
        """What `_include=Type:parameter[:Type]` brings along."""
        kind, parameter, target = _include(include)
        for record in matches:
            if record["type"] == kind:
                for value in values_of(record["resource"], parameter):
                    other, _, unique = reference_to(value).partition("/")
                    found = self._repository.get(other, unique) if target in ("", other) else None
                    if found is not None and found["resource"] is not None:
                        yield found

    def including(self, matches: list[Record], include: str) -> Iterator[Record]:
        """What `_revinclude=Type:parameter` brings along: resources that point at the matches."""
        kind, parameter, _ = _include(include)
        wanted = {f"{record['type']}/{record['id']}" for record in matches}
        for record in self._repository.all(kind):
            if any(reference_to(value) in wanted for value in values_of(record["resource"], parameter)):
                yield record

    def _parameter(self, kind: str, name: str) -> Parameter | None:
        """The parameter behind `name`, `name:modifier` or `name.further`."""
        return parameters_of(kind).get(name.partition(".")[0].partition(":")[0])

    def _test(self, kind: str, name: str, value: str) -> Test:
        head, dot, further = name.partition(".")
        plain, _, modifier = head.partition(":")
        parameter = parameters_of(kind)[plain]
        if not dot:
            return condition(name, parameter, modifier, value)
        if parameter.kind != "reference":
            raise Refused(400, "invalid", f"'{plain}' is not a reference and cannot be chained")
        return self._chained(
            parameter, [modifier] if modifier else parameter.targets or TYPES, further, value
        )

    def _chained(self, parameter: Parameter, kinds: Any, further: str, value: str) -> Test:
        """Whether a reference leads to a resource that meets a condition of its own."""
        targets = [kind for kind in kinds if self._parameter(kind, further) is not None]
        if not targets:
            raise Refused(400, "not-supported", f"Unknown search parameter '{further}' behind a reference")
        wanted = {
            f"{kind}/{record['id']}"
            for kind in targets
            for record in self.find(kind, [(further, value)], strict=True)
        }
        return lambda resource: any(reference_to(v) in wanted for v in values_of(resource, parameter))


def _include(text: str) -> tuple[str, Parameter, str]:
    kind, _, rest = text.partition(":")
    name, _, target = rest.partition(":")
    parameter = parameters_of(kind).get(name)
    if parameter is None or parameter.kind != "reference":
        raise Refused(400, "not-supported", f"'{text}' cannot be included")
    return kind, parameter, target


def _key(record: Record, parameter: Parameter) -> str:
    """What a resource is sorted by."""
    value = next(values_of(record["resource"], parameter), None)
    if parameter.kind == "date" and (span := span_in(value)):
        return span[0].isoformat()
    if isinstance(value, dict):
        value = next((value[name] for name in SORTED_BY if value.get(name)), "")
    return str(value).casefold() if value is not None else ""


def _text(pairs: Pairs) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)
