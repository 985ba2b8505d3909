"""Looking for one record: a condition that is empty would be left out, and another record found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.adaptors.errors import ValidationError


def refuse_empty(call: str, conditions: Mapping[str, Any]) -> None:
    """Raise when nothing stands in a condition. `system|` of FHIR is one, too: it is everybody of that system."""
    for name, value in conditions.items():
        if value is None or (isinstance(value, str) and _is_empty(value.strip())):
            raise ValidationError(
                f"{call} was given nothing to look for in {name}; any record would match.",
                hint="Say skip(…) or fail(…) where that value is missing.",
                sent=False,
            )


def _is_empty(text: str) -> bool:
    return not text or text.endswith("|")
