"""`dhis2.util`: small helpers for DHIS2's records, and identifiers that stay the same when a job is run again."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from typing import Any

from jobs.adaptors.errors import ValidationError
from jobs.adaptors.spec import operation

LETTERS = string.ascii_uppercase + string.ascii_lowercase
LETTERS_AND_DIGITS = LETTERS + string.digits
UID_LENGTH = 11


class Util:
    """Operations under `dhis2.util`. None of them asks the server."""

    @operation(example='dhis2.util.attr("w75KJ2mc4zz", "Afi")')
    def attr(self, attribute: str, value: Any) -> dict[str, Any]:
        """An attribute as tracked entities and enrollments have it."""
        return {"attribute": attribute, "value": value}

    @operation(example='dhis2.util.dv("qrur9Dvnyt5", 12)')
    def dv(self, data_element: str, value: Any) -> dict[str, Any]:
        """A data value as events have it."""
        return {"dataElement": data_element, "value": value}

    @operation(example='name = dhis2.util.find_attribute_value(entity, "First name")')
    def find_attribute_value(self, tei: Mapping[str, Any], name: str) -> Any:
        """The value of a tracked entity's attribute, by the name that is shown; None if it has none."""
        return _value(tei, "displayName", name)

    @operation(example='name = dhis2.util.find_attribute_value_by_id(entity, "w75KJ2mc4zz")')
    def find_attribute_value_by_id(self, tei: Mapping[str, Any], attribute: str) -> Any:
        """The value of a tracked entity's attribute, by the attribute's identifier; None if it has none."""
        return _value(tei, "attribute", attribute)


def uid_of(*parts: Any) -> str:
    """An identifier as DHIS2 has them, always the same for the same parts."""
    if not parts or any(part is None or part == "" for part in parts):
        raise ValidationError("dhis2.uid needs something to make the identifier from.", sent=False)
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    text = "\x1f".join(str(part) for part in parts)
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    number, first = divmod(number, len(LETTERS))
    uid = LETTERS[first]
    for _ in range(UID_LENGTH - 1):
        number, index = divmod(number, len(LETTERS_AND_DIGITS))
        uid += LETTERS_AND_DIGITS[index]
    return uid


def _value(tei: Mapping[str, Any], key: str, wanted: str) -> Any:
    for each in tei.get("attributes") or ():
        if each.get(key) == wanted:
            return each.get("value")
    return None
