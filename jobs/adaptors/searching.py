"""Looking for one record: a condition that is empty would be left out, and another record found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.adaptors.errors import AmbiguousError, ValidationError
from jobs.adaptors.paging import dig


def refuse_empty(call: str, conditions: Mapping[str, Any]) -> None:
    """Raise when nothing stands in a condition. `system|` of FHIR is one, too: it is everybody of that system."""
    for name, value in conditions.items():
        if value is None or (isinstance(value, str) and _is_empty(value.strip())):
            raise ValidationError(
                f"{call} was given nothing to look for in {name}; any record would match.",
                hint="Say skip(…) or fail(…) where that value is missing.",
                sent=False,
            )


def told_apart(call: str, record: Any, key: str | Sequence[str]) -> dict[str, Any]:
    """What one record is known by: its own values under the names (dotted paths) in `key`."""
    if not isinstance(record, Mapping):
        raise ValidationError(f"{call} needs named values.", sent=False)
    names = [key] if isinstance(key, str) else list(key)
    if not all(names) or not names:
        raise ValidationError(f"{call} needs the name of a field that tells records apart.", sent=False)
    conditions = {name: dig(dict(record), name) for name in names}
    refuse_empty(call, conditions)
    for name, value in conditions.items():
        if isinstance(value, (bool, Mapping, list, tuple, set)):
            raise ValidationError(
                f"{call} tells records apart by a text, a number or a date, but {name} is none.", sent=False
            )
    return conditions


def the_one(system: str, what: str, records: Iterable[Any], conditions: Mapping[str, Any]) -> Any:
    """The record that has all these values, or None. A partner that does not know a filter answers with all it has."""
    found: dict[str, Any] | None = None
    for record in records:
        for name in conditions:
            if not shows(record, name):
                raise ValidationError(
                    f"{system} does not show {name} in its {what}, so they cannot be told apart by it.",
                    hint="Is the field spelt as the partner spells it?",
                    sent=False,
                )
        if not alike(record, conditions):
            continue
        if found is not None:
            raise AmbiguousError(
                f"{system} has several {what} with the same {' and '.join(conditions)}; "
                "cannot tell which one to update.",
                sent=False,
            )
        found = record
    return found


def shows(record: Any, name: str) -> bool:
    """Whether a record has a field at all, be it empty."""
    above, _, last = name.rpartition(".")
    holder = dig(record, above) if above and name not in record else record
    return isinstance(holder, Mapping) and (name in holder or last in holder)


def alike(record: Any, conditions: Mapping[str, Any]) -> bool:
    """Whether a record has these values; numbers may be written as texts there, and dates always are."""
    return all(as_text(dig(record, name)) == as_text(value) for name, value in conditions.items())


def as_text(value: Any) -> str:
    """A plain value as partners write it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value.isoformat() if hasattr(value, "isoformat") else value).strip()


def _is_empty(text: str) -> bool:
    return not text or text.endswith("|")
