"""What must stand before the settings are read; loaded by `-p`, before anything else.

Test processes side by side (`-n 2`) do not meet: each has a database of its own, which pytest-django names, and of
the one Redis server another of its numbered databases.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# An installation collects its static files; without the folder the server of static files warns.
if "STATIC_ROOT" not in os.environ:
    os.environ["STATIC_ROOT"] = tempfile.mkdtemp(prefix="openfn-static-")
    atexit.register(shutil.rmtree, os.environ["STATIC_ROOT"], ignore_errors=True)

_lane = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
_url = os.environ.get("REDIS_URL", "")
if _lane.isdigit() and _url.startswith("redis+socket://") and "virtual_host" not in _url:
    os.environ["REDIS_URL"] = f"{_url}?virtual_host={_lane}"
