"""The request log: what arrived and what was answered, for tests that count ("exactly one SMS was sent")."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from openfn_platform.demo.standins.wire import Request

KEPT_REQUESTS = 100_000
KEPT_BODY = 64 * 1024


class RequestLog:
    """The last requests, noted when they arrive so that a hanging one is seen too."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.count = 0

    def arrived(self, request: Request) -> dict[str, Any]:
        """Note a request; `status` stays None until (unless) it is answered."""
        self.count += 1
        entry = {
            "number": self.count,
            "time": time.time(),
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "headers": _without_secrets(request.headers),
            "body": request.body[:KEPT_BODY].decode("utf-8", "replace"),
            "status": None,
            "fault": None,
            "seconds": None,
        }
        self._entries.append(entry)
        return entry

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget all entries; numbers go on."""
        self._entries.clear()


def _without_secrets(headers: Any) -> dict[str, str]:
    kept = dict(headers)
    if "authorization" in kept:
        kept["authorization"] = kept["authorization"].partition(" ")[0]
    return kept
