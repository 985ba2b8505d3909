"""Telling a listener of changed events, in the envelope of DHIS2's event hooks.

The envelope (`path`, `createdAt`, `meta.op`, `object`) is that of DHIS2 2.40 and later. The real hooks tell of metadata
and of the scheduler only; that an event of a program is told in it, as `tracker.event.UID`, is this stand-in's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.partner import Callback


def tell(
    config: Mapping[str, Any], call: Callable[[Callback], None], done: str, uid: str, shown: Any
) -> None:
    """Post one event to the listener, if there is one."""
    url = config["event_hook"]
    if not url:
        return
    body = {
        "path": f"tracker.event.{uid}",
        "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "meta": {"op": done.removesuffix("d")},
        "object": shown,
    }
    headers = {"Content-Type": "application/json", **config["event_hook_headers"]}
    call(Callback(0.0, url, json.dumps(body, ensure_ascii=False).encode(), headers))
