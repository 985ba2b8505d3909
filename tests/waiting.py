"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], shown: Callable[[], str], *, seconds: float = 20) -> None:
    """Until it holds; otherwise the test fails and shows the end of what `shown` says."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, shown()[-4000:]
        time.sleep(0.05)
