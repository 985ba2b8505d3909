"""Telling the CommCare stand-in to forward its forms to the demo's door, as one sets it up in CommCare's own pages."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

from openfn_platform.demo.keeping import Kept
from openfn_platform.demo.standins.control import PREFIX

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know our loopback


def forms_forward(*, commcare: str, kept: Kept, say: Callable[[str], object]) -> None:
    """Each form that is submitted at `commcare` goes to the kept address with the kept key from now on."""
    door, key = kept.get("inbox_with_key"), kept.get("inbox_key")
    if not door or not key:  # somebody put the door away
        return
    wish = {"forward_forms_to": door, "forward_headers": {"X-API-Key": key}}
    request = urllib.request.Request(  # noqa: S310  (a stand-in on this machine)
        f"{commcare}{PREFIX}config", json.dumps(wish).encode(), {"Content-Type": "application/json"}
    )
    try:
        with DIRECT.open(request, timeout=10):
            pass
    except (OSError, ValueError) as error:
        say(f"CommCare does not forward its forms: {error}")
