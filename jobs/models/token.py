"""The OAuth token of a credential: one per body, never shared between credentials."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from jobs.models.sealed import Sealed


class CredentialToken(Sealed):
    """Access and refresh token of one body. Who renews it claims it first: a refresh token may work only once."""

    body = models.OneToOneField("jobs.CredentialBody", models.CASCADE, related_name="token")
    # Of the values that it was got with; with other values it is not used.
    fingerprint = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)
    obtained_at = models.DateTimeField(null=True, editable=False)
    connected_at = models.DateTimeField(null=True, editable=False)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    claim = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)
    # The provider takes the refresh token no longer: a person must connect it again.
    refused_at = models.DateTimeField(null=True, editable=False)
    refused_sentence = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        db_table = "credential_token"

    def __str__(self) -> str:
        return f"token of {self.body}"
