"""What belongs to DHIS2's tracker: its types, their identifiers, and payloads cut in pieces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.adaptors.common.lists import chunks
from jobs.adaptors.errors import ValidationError

# In the order in which one needs the other to be there.
TYPES = {
    "trackedEntities": "trackedEntity",
    "enrollments": "enrollment",
    "events": "event",
    "relationships": "relationship",
}
INSIDE = {**TYPES, "notes": "note"}
STRATEGIES = ("CREATE", "UPDATE", "CREATE_AND_UPDATE", "DELETE")
Payload = Mapping[str, Any] | tuple[str, Iterable[Any]]


def is_tracked(path: str) -> bool:
    return path.strip("/").partition("?")[0] in TYPES


def routed(path: str) -> str:
    """Where a resource is read: the tracker's have moved under /tracker."""
    return f"tracker/{path}" if path.partition("/")[0] in TYPES else path


def pieces(payload: Payload, *, size: int | None, backwards: bool = False) -> Iterator[dict[str, list[Any]]]:
    """The bodies to be sent: one, or several of at most `size` records each, what others need first."""
    types = _by_type(payload)
    if size is None:
        whole = {kind: list(records) for kind, records in types}
        if any(whole.values()):
            yield whole
        return
    for kind, records in reversed(types) if backwards else types:
        for piece in chunks(records, size):
            yield {kind: piece}


def identified(body: Any, kind: str = "") -> bool:
    """Whether everything in a body names itself, so that sending it twice makes nothing twice."""
    if isinstance(body, list):
        return all(identified(each, kind) for each in body)
    if not isinstance(body, Mapping):
        return False
    if kind and not body.get(INSIDE[kind]):
        return False
    return all(identified(body[inner], inner) for inner in INSIDE if body.get(inner))


def checked_strategy(strategy: str) -> str:
    if strategy not in STRATEGIES:
        raise ValidationError(
            f"DHIS2 knows no import strategy '{strategy}'; it knows {', '.join(STRATEGIES)}.", sent=False
        )
    return strategy


def _by_type(payload: Payload) -> list[tuple[str, Iterable[Any]]]:
    given: Mapping[str, Any] = {}
    pair: Any = payload
    if isinstance(payload, Mapping):
        given = payload
    elif isinstance(pair, tuple) and len(pair) == 2:
        given = dict([pair])
    unknown = [str(each) for each in given if each not in TYPES]
    if unknown or not given:
        raise ValidationError(
            f"A tracker payload has lists under {', '.join(TYPES)}"
            + (f", and not under {', '.join(unknown)}." if unknown else "."),
            sent=False,
        )
    return [(kind, _listed(given[kind])) for kind in TYPES if kind in given]


def _listed(records: Any) -> Iterable[Any]:
    return [records] if isinstance(records, Mapping) else records or ()
