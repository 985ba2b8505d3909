"""Abstract building blocks of the models: ids, times, and keys that are made from names."""

from __future__ import annotations

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.text import slugify

from openfn_platform.common.ids import uuid7

KEY_LENGTH = 60
valid_key = RegexValidator(
    r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
    "Use small letters, digits and single hyphens, for example `register-patient`.",
)


class Row(models.Model):
    """A row with a UUIDv7 and the time it was made, by the database's clock."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


class KeyField(models.CharField):  # type: ignore[type-arg]  # stubs want parameters the class does not take
    """A slug that is unique in its parent and kept through renames: files without ids depend on it."""

    def __init__(self, **kwargs: object) -> None:
        defaults: dict[str, object] = {
            "max_length": KEY_LENGTH,
            "validators": [valid_key],
            "help_text": "Short name for files, URLs and code; it stays the same when the name changes.",
        }
        super().__init__(**{**defaults, **kwargs})  # type: ignore[arg-type]


def free_key(name: str, taken: models.QuerySet[models.Model]) -> str:
    """A key made from `name` that no row of `taken` has: `register-patient`, then `register-patient-2`.

    A name without Latin letters and digits makes none; its key is the word for what it is: `workflow`, `job`.
    """
    base = _slug(name) or _slug(str(taken.model._meta.verbose_name))
    used = set(taken.filter(key__startswith=base).values_list("key", flat=True))
    if base not in used:
        return base
    number = 2
    while f"{base}-{number}" in used:
        number += 1
    return f"{base}-{number}"


def _slug(text: str) -> str:
    return slugify(text.replace("_", "-"))[: KEY_LENGTH - 4].strip("-")


def as_uuid(value: object) -> uuid.UUID | None:
    """The UUID that a text from outside means, or None."""
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None
