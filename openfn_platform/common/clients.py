"""From which network address a request came."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(meta: Mapping[str, Any]) -> str | None:
    """The address of whoever asks, by a request's META; None for a socket file.

    Anybody can write X-Forwarded-For, so what it says counts only as far as trusted proxies wrote it
    (TRUSTED_PROXIES: addresses or networks), read from its end.
    """
    chain = [*str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(","), str(meta.get("REMOTE_ADDR") or "")]
    found: str | None = None
    for word in reversed(chain):
        address = _address(word)
        if address is None:
            break
        found = str(address)
        if not any(address in network for network in settings.TRUSTED_PROXIES):
            break
    return found


def _address(word: str) -> Address | None:
    try:
        address = ipaddress.ip_address(word.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
