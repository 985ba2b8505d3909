"""What rows with a secret have in common: a ciphertext bound to the row's own id, and how its last test went."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row


class Sealed(Row):
    """Encrypted values (see `jobs.opening`). The ciphertext opens in this very row and nowhere else."""

    ciphertext = models.BinaryField(editable=False)
    key_id = models.CharField(max_length=32, editable=False, db_index=True)

    class Meta:
        abstract = True


class Tried(models.Model):
    """Whether the connection was tried with these values, and what came of it."""

    tested_at = models.DateTimeField(null=True, editable=False)
    test_ok = models.BooleanField(null=True, editable=False)  # None: never tried with these values
    test_sentence = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        abstract = True
