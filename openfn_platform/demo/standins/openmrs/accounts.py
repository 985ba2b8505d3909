"""Log-ins: HTTP Basic, the session cookie, and the lock after too many failures.

As in the real filter, wrong credentials never stop a request: it goes on anonymously and is refused where something
needs a privilege. A request that brings a valid session cookie is not logged in again, whatever its password.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from openfn_platform.demo.standins.wire import Request

KEPT_SESSIONS = 10_000
COOKIE = "JSESSIONID"


class Accounts:
    """One user, its failures and its sessions."""

    def __init__(self) -> None:
        self.sessions: OrderedDict[str, None] = OrderedDict()
        self.succeeded = 0
        self.failed = 0
        self.failures_in_a_row = 0
        self.locked_at: float | None = None

    def session_of(self, request: Request, config: Mapping[str, Any]) -> tuple[str | None, bool]:
        """The session of a logged-in request and whether it is new; None for an anonymous one."""
        known = self._cookie(request)
        if known is not None:
            return known, False
        given = request.basic_auth
        if given is None or not self._log_in(*given, config):
            return None, False
        session = secrets.token_hex(16).upper()
        self.sessions[session] = None
        if len(self.sessions) > KEPT_SESSIONS:
            self.sessions.popitem(last=False)
        return session, True

    def log_out(self, session: str) -> None:
        """End a session."""
        self.sessions.pop(session, None)

    def described(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Counts for tests."""
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "failures_in_a_row": self.failures_in_a_row,
            "locked": self._locked(config),
        }

    def _cookie(self, request: Request) -> str | None:
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return cookie.value if cookie is not None and cookie.value in self.sessions else None

    def _locked(self, config: Mapping[str, Any]) -> bool:
        return self.locked_at is not None and time.monotonic() - self.locked_at < config["lock_seconds"]

    def _log_in(self, name: str, password: str, config: Mapping[str, Any]) -> bool:
        if self._locked(config):
            # Trying while locked starts the time anew, even with the right password.
            self.locked_at = time.monotonic()
            self.failed += 1
            return False
        if self.locked_at is not None:
            self.locked_at, self.failures_in_a_row = None, 0
        if (name, password) == (config["username"], config["password"]):
            self.succeeded += 1
            self.failures_in_a_row = 0
            return True
        self.failed += 1
        if name == config["username"]:
            self.failures_in_a_row += 1
            if self.failures_in_a_row > config["lock_after"]:
                self.locked_at = time.monotonic()
        return False
