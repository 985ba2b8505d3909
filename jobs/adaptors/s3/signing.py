"""AWS Signature Version 4, as Amazon documents it: a request signed with a key that never travels.

The tests compare it with botocore's own over generated requests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Signer:
    """One pair of keys for one region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    session_token: str = field(default="", repr=False)
    service: str = "s3"

    def headers(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers to be added to a request for `url`, whose path and query are encoded already."""
        at = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        parts, digest = urlsplit(url), hashlib.sha256(content).hexdigest()
        added = {"x-amz-date": at, "x-amz-content-sha256": digest}
        if self.session_token:
            added["x-amz-security-token"] = self.session_token
        signed = {name.lower(): " ".join(value.split()) for name, value in (headers or {}).items()}
        signed |= {"host": _host(parts.scheme, parts.netloc), **added}
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            [
                method,
                parts.path or "/",
                _query(parts.query),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                digest,
            ]
        )
        scope = f"{at[:8]}/{self.region}/{self.service}/aws4_request"
        text = "\n".join([ALGORITHM, at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self._key(at[:8]), text.encode(), hashlib.sha256).hexdigest()
        credential = f"{self.access_key}/{scope}"
        return {
            **added,
            "authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}",
        }

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def _host(scheme: str, netloc: str) -> str:
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return netloc.removesuffix(usual) if usual else netloc


def _query(query: str) -> str:
    """Ordered by name and then value; ordered as texts, `a-b=` would come before `a=`, as `-` does before `=`."""
    pairs = parse_qsl(query, keep_blank_values=True)
    quoted = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in quoted)
