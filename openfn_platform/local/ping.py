"""Ends when the workers of those names answer through the broker: `python -m openfn_platform.local.ping NAME …`.

A step of `up`. Without Django, which would take longer to load than the answer takes.
"""

from __future__ import annotations

import os
import sys
import time

from celery import Celery

SECONDS = 60


def main() -> int:
    missing = set(sys.argv[1:])
    app = Celery(broker=os.environ["REDIS_URL"])
    deadline = time.monotonic() + SECONDS
    while missing and time.monotonic() < deadline:
        for answer in app.control.ping(destination=sorted(missing), limit=len(missing), timeout=0.25) or []:
            missing -= answer.keys()
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
