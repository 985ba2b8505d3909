"""Saving rows so that what is wrong with them is said in a sentence, and before the database says it in its own."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from django.db import models

from openfn_platform.common.errors import Invalid


def row_save(row: models.Model, *, only: Iterable[str] | None = None) -> None:
    """Check every field and constraint, then save. `only` names the columns to write (all are checked)."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise invalid_from(row, error) from None
    row.save(update_fields=None if only is None else list(only))


def invalid_from(row: models.Model, error: ValidationError) -> Invalid:
    """One sentence for the first field that is wrong; `errors` has them all, by field."""
    found = {
        "" if field == NON_FIELD_ERRORS else field: [str(text) for text in texts]
        for field, texts in error.message_dict.items()
    }
    field, texts = next(iter(found.items()))
    label = _label(row, field)
    sentence = f"{label}: {texts[0]}" if label else texts[0]
    return Invalid(sentence, field=field, errors=found)


def _label(row: models.Model, field: str) -> str:
    if not field:
        return ""
    try:
        name = str(getattr(row._meta.get_field(field), "verbose_name", field))
    except FieldDoesNotExist:
        name = field
    return name[:1].upper() + name[1:]
