"""Saving rows so that what is wrong with them is said in a sentence, and before the database says it in its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from django.db import models

from openfn_platform.common.errors import Invalid

# PostgreSQL keeps neither NUL nor half a character, in text as in jsonb; Django does not look for them.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def row_save(row: models.Model, *, only: Iterable[str] | None = None) -> None:
    """Check every field and constraint, then save. `only` names the columns to write (all are checked)."""
    for field in row._meta.concrete_fields:
        if not _storable(row.__dict__.get(field.attname)):
            raise Invalid(
                f"{_label(row, field.name)}: A character in it cannot be stored; type it anew.",
                field=field.name,
            )
    try:
        row.full_clean()
    except ValidationError as error:
        raise invalid_from(row, error) from None
    row.save(update_fields=None if only is None else list(only))


def invalid_from(row: models.Model, error: ValidationError) -> Invalid:
    """One sentence for the first field that is wrong; `errors` has them all, by field."""
    found = _twins(row, error) or {
        "" if field == NON_FIELD_ERRORS else field: [str(text) for text in texts]
        for field, texts in error.message_dict.items()
    }
    field, texts = next(iter(found.items()))
    label = _label(row, field)
    sentence = f"{label}: {texts[0]}" if label else texts[0]
    return Invalid(sentence, field=field, errors=found)


def _twins(row: models.Model, error: ValidationError) -> dict[str, list[str]]:
    """Where nothing is wrong but that another row is the same in some fields: the last of them, named as people do."""
    broken = error.error_dict.get(NON_FIELD_ERRORS, []) if len(error.error_dict) == 1 else []
    fields = [
        each.params["unique_check"][-1] for each in broken if each.code == "unique_together" and each.params
    ]
    return {
        field: [f"There is one with this {_label(row, field).lower()} already; choose another."]
        for field in fields
    }


def _storable(value: object) -> bool:
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, Mapping):
        return all(_storable(name) and _storable(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(_storable(item) for item in value)
    return True


def _label(row: models.Model, field: str) -> str:
    if not field:
        return ""
    try:
        name = str(getattr(row._meta.get_field(field), "verbose_name", field))
    except FieldDoesNotExist:
        name = field
    return name[:1].upper() + name[1:]
