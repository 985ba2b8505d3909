"""Whose certificates are trusted. Pure."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import certifi

TRUST_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@cache
def tls_context() -> ssl.SSLContext:
    """The shared trust settings; building them takes 25 ms, so a zygote calls this before it forks.

    The system's bundle comes first: that is where a hospital puts its own authority.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    named = ssl.get_default_verify_paths().cafile
    bundles = [named] if named else [path for path in TRUST_BUNDLES if Path(path).is_file()][:1]
    context.load_verify_locations(cafile=bundles[0] if bundles else certifi.where())
    return context


class NoCertificate(ValueError):
    """The text holds no certificate that can be read."""


def authority_context(pem: str) -> ssl.SSLContext:
    """Trust in one authority only, whose certificate a credential holds."""
    try:
        return ssl.create_default_context(cadata=pem)
    except (
        ssl.SSLError,
        ValueError,
        TypeError,
    ):  # no certificate in it; nothing at all; letters beyond ASCII
        raise NoCertificate from None
