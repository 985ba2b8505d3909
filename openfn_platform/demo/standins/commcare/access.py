"""Who may: API keys and passwords, permissions, and how many requests in a second."""

from __future__ import annotations

import hmac
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.commcare.answers import NO_ACCESS, Refused, error, page
from openfn_platform.demo.standins.wire import Request


class Access:
    """The guard at the door."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()

    def check(self, request: Request, config: Mapping[str, Any], *, area: str, plain: bool) -> None:
        """Raise unless the request may pass. A plain view refuses without a JSON body."""
        if not _known(request, config):
            if plain:
                raise Refused(page(401, WWW_Authenticate='Basic realm="CommCare HQ"'))
            raise Refused(error(401, "not authorized"))
        if area in config["forbidden"]:
            raise Refused(page(403, NO_ACCESS if plain else ""))
        self._count(config, plain=plain)

    def _count(self, config: Mapping[str, Any], *, plain: bool) -> None:
        now, most = time.monotonic(), config["rate_limit"]
        while self._recent and now - self._recent[0] > 1:
            self._recent.popleft()
        if most is not None and len(self._recent) >= most:
            # Only the plain views say how long to wait.
            wait = {"Retry_After": "1"} if plain else {}
            text = config["rate_limit_text"]
            raise Refused(error(429, text, **wait) if text else page(429, **wait))
        self._recent.append(now)


def _known(request: Request, config: Mapping[str, Any]) -> bool:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "apikey":
        given, own = value.strip(), f"{config['username']}:{config['api_key']}"
    elif request.basic_auth is not None:
        given, own = ":".join(request.basic_auth), f"{config['username']}:{config['password']}"
    else:
        return False
    return hmac.compare_digest(given.encode(), own.encode())
