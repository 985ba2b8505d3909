"""CARTO's rate limit: a request becomes free again every 1/n seconds, after a burst of n."""

from __future__ import annotations

import time

from openfn_platform.demo.standins.carto.errors import over_limit


class Rates:
    """One bucket for each kind of call."""

    def __init__(self) -> None:
        # When the bucket will be full again.
        self._full_at: dict[str, float] = {}

    def take(self, group: str, per_second: int | None) -> dict[str, str]:
        """Count a call; the headers that tell where one stands, in a refusal when there are too many."""
        if not per_second:
            return {}
        now, each = time.monotonic(), 1 / per_second
        full_at = max(self._full_at.get(group, 0.0), now) + each
        wait = full_at - now - 1
        if wait > 1e-9:
            raise over_limit(_headers(per_second, 0, int(wait) + 1, full_at - each - now))
        self._full_at[group] = full_at
        return _headers(per_second, int(per_second * (1 - (full_at - now)) + 1e-6), -1, full_at - now)

    def clear(self) -> None:
        """All buckets are full."""
        self._full_at.clear()


def _headers(limit: int, remaining: int, retry_after: int, reset: float) -> dict[str, str]:
    return {
        "Carto-Rate-Limit-Limit": str(limit),
        "Carto-Rate-Limit-Remaining": str(remaining),
        "Carto-Rate-Limit-Reset": str(int(reset)),
        "Retry-After": str(retry_after),
    }
