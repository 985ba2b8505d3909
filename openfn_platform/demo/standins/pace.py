"""Rate limits: so many requests within so many seconds."""

from __future__ import annotations

import math
import time
from collections import deque


class Pace:
    """Remembers when the last requests were taken. What is refused does not count."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque()

    def wait(self, most: int | None, seconds: float = 1.0) -> int:
        """0 when one more is allowed (which is then counted), else the whole seconds until it will be."""
        now = time.monotonic()
        while self._taken and now - self._taken[0] > seconds:
            self._taken.popleft()
        if most is not None and len(self._taken) >= most:
            oldest = self._taken[0] if self._taken else now
            return max(math.ceil(oldest + seconds - now), 1)
        self._taken.append(now)
        return 0

    def clear(self) -> None:
        """As if nothing had come yet."""
        self._taken.clear()
