"""What somebody typed into a credential's form and the test of which failed, so that nothing is typed twice."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from jobs.models.sealed import Sealed


class CredentialAttempt(Sealed):
    """Kept for a quarter of an hour, for this person in this session and this credential (or a new one)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session = models.CharField(max_length=64, editable=False)  # a digest
    credential = models.ForeignKey("jobs.Credential", models.CASCADE, null=True, related_name="attempts")
    adaptor = models.CharField(max_length=60, editable=False)
    environment = models.CharField(max_length=30, editable=False)
    sentence = models.CharField(max_length=500, editable=False)  # why the test failed
    keep_until = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        db_table = "credential_attempt"

    def __str__(self) -> str:
        return f"attempt for {self.adaptor}"
