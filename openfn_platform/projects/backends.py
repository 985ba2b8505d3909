"""Logging in with an e-mail address, whatever its capitals."""

from __future__ import annotations

from typing import Any

from axes.backends import AxesStandaloneBackend
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from openfn_platform.projects.models import User


class ThrottledBackend(AxesStandaloneBackend):  # type: ignore[misc]  # axes ships no types
    """Stops those who tried too often (see throttling.py). Without a request nobody is knocking."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if request is not None:
            super().authenticate(request, **credentials)


class EmailBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        email = (username or kwargs.get("email") or "").strip().lower()
        if not email or password is None or "\0" in email:
            return None
        user = User.objects.filter(email=email).first()
        if user is None:
            User().set_password(password)  # the same work as for a known address: no telling by time
            return None
        if user.check_password(password) and self.user_can_authenticate(user):
            return user
        return None
