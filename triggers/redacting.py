"""Leaving out secrets before anything of a request is stored: jobs and people get what is kept. Pure.

Known are the secrets that opened the inbox: whatever holds one of them is left out, wherever it stands. Others are
recognised by the name of their header or parameter, by the word that they begin with, and in the addresses that
proxies put into headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from openfn_platform.common.redaction import MASK, SHORTEST_SECRET, redact_query, tells_a_secret

_HEADER = re.compile(
    r"auth(?!or(?!iz))|cookie|secret|signature|token|api-?key|passw|session|hmac|jwt|assertion|principal|credential"
    r"|wsse|csrf|xsrf|\b(access|subscription|function|shared|service|license|account)-?keys?\b"
    r"|\b(?<!idempotency-)keys?\b|\b(sig|pwd|pass|passphrase|pin|pat|otp|cert|bearer|saml)\b",
    re.I,
)
_SCHEME = re.compile(
    r"\s*(bearer|basic|digest|token|api-?key|hmac|negotiate|ntlm|signature|aws4-hmac-sha256|usernametoken)[\s:]",
    re.I,
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=\?)[^\s#\"'<>]+")


@lru_cache(maxsize=4_096)  # partners send the same dozen names with every message
def _names_a_secret(header: str) -> bool:
    return _HEADER.search(header) is not None or (header != "idempotency-key" and tells_a_secret(header))


def kept_headers(headers: Mapping[str, str], *, secrets: Sequence[str]) -> dict[str, str]:
    """The headers that may be stored, by their names in small letters."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    kept = {}
    for name, value in headers.items():
        name = name.lower()
        if not _names_a_secret(name) and not _holds(value, known) and _SCHEME.match(value) is None:
            kept[name] = _without_secrets(value)
    return kept


def kept_query(query: Mapping[str, Any], *, secrets: Sequence[str]) -> dict[str, Any]:
    """The parameters that may be stored. A secret is masked, so that a job's author sees that something was there."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    return {name: _kept(value, known, telling=tells_a_secret(name)) for name, value in query.items()}


def _kept(value: Any, known: Sequence[str], *, telling: bool) -> Any:
    if isinstance(value, list):  # the parameter came several times
        return [_kept(each, known, telling=telling) for each in value]
    return MASK if telling or _holds(value, known) else _without_secrets(value)


def _holds(value: str, known: Sequence[str]) -> bool:
    for secret in known:  # noqa: SIM110  # any() costs twice as much, for each header of each message
        if secret in value:
            return True
    return False


def _without_secrets(value: str) -> str:
    """Proxies and browsers put whole addresses into headers, with what stands behind the question mark."""
    if "@" in value and "://" in value:
        value = _USERINFO.sub(f"{MASK}@", value)
    if "?" in value and "=" in value:
        value = _QUERY.sub(lambda found: redact_query(found[0]), value)
    return value
