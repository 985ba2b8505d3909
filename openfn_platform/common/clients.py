"""From which network address a request came."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings


def client_address(meta: Mapping[str, Any]) -> str | None:
    """The address of whoever asks, by a request's META.

    Anybody can write X-Forwarded-For, so it is believed for as many hops from its end as there are proxies of
    one's own in front of the platform (TRUSTED_PROXIES), and not at all where there is none.
    """
    hops = settings.TRUSTED_PROXIES
    told = [hop.strip() for hop in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if hop.strip()]
    given = told[-hops] if hops and len(told) >= hops else str(meta.get("REMOTE_ADDR", ""))
    try:
        return str(ipaddress.ip_address(given.strip("[]").partition("%")[0]))
    except ValueError:
        return None  # a socket file, or a proxy that writes something of its own
