"""Sessions: who is logged in where. Deleting a row ends it at the next click."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class Session(AbstractBaseSession):
    """Django's row of a session, with what a person needs to tell their own from somebody else's."""

    user = models.ForeignKey("projects.User", models.CASCADE, null=True, related_name="sessions")
    began_at = models.DateTimeField(null=True)  # when the person logged in
    seen_at = models.DateTimeField(null=True)
    address = models.GenericIPAddressField(null=True)
    device = models.CharField(max_length=120, blank=True)
    how = models.CharField(
        max_length=60, blank=True
    )  # the password, a second factor, the organisation's log-in

    class Meta:
        db_table = "session"

    def __str__(self) -> str:
        return f"{self.device} since {self.began_at:%d %b %Y}" if self.began_at else "nobody"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from openfn_platform.projects.session_store import SessionStore

        return SessionStore
