"""A provider of OpenID Connect on a real socket, written from OpenID Connect Core and Discovery.

It enforces what real ones enforce: a known client by its secret, registered redirect addresses, PKCE with S256, codes
that work once. Knobs say who the person is and what the provider gets wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "platform", "s3cret of the platform"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Identities:
    """`with Identities() as provider:`; the knobs may be turned at any time."""

    callbacks: set[str] = field(default_factory=set)
    email: str = "editor@example.org"
    email_verified: Any = True
    name: str = "Asha Mushi"
    agrees: bool = True
    issuer: str | None = None  # another one than its own, in the token
    audience: str = CLIENT
    expired: bool = False
    down: bool = False

    def __post_init__(self) -> None:
        self.codes: dict[str, tuple[str, str]] = {}  # code: redirect address, challenge
        self.tokens: set[str] = set()
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }

    def claims(self) -> dict[str, Any]:
        return {
            "sub": hashlib.sha256(self.email.encode()).hexdigest()[:20],
            "email": self.email,
            "email_verified": self.email_verified,
            "name": self.name,
        }

    def id_token(self) -> str:
        now = int(time.time())
        life = -600 if self.expired else 300
        head = {"iss": self.issuer or self.url, "aud": self.audience, "iat": now, "exp": now + life}
        return jwt.encode({**self.claims(), **head}, KEY, algorithm="RS256", headers={"kid": "one"})

    def authorize(self, asked: dict[str, str]) -> tuple[int, str]:
        """Status, and where to go or what is wrong."""
        target = asked.get("redirect_uri", "")
        if asked.get("client_id") != CLIENT or target not in self.callbacks:
            return 400, "unknown client or redirect address"
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return 400, "this is not OpenID Connect"
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return 400, "PKCE is required"
        if not self.agrees:
            return 302, f"{target}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = (target, asked["code_challenge"])
        return 302, f"{target}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 503, {"error": "temporarily_unavailable"}
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        target, challenge = self.codes.pop(given.get("code", ""), ("", ""))
        proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        right = base64.urlsafe_b64encode(proof).decode().rstrip("=") == challenge
        if not challenge or not right or given.get("redirect_uri") != target:
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe(16)
        self.tokens.add(access)
        return 200, {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(),
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}


def _handler(provider: Identities) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            provider.asked.append(parts.path)
            if parts.path == "/.well-known/openid-configuration":
                self.answer(200, provider.discovery())
            elif parts.path == "/keys":
                self.answer(200, provider.keys())
            elif parts.path == "/authorize":
                status, text = provider.authorize(asked)
                self.answer(status, {"error": text}, Location=text if status == 302 else "")
            elif parts.path == "/userinfo":
                known = self.headers.get("Authorization", "").removeprefix("Bearer ") in provider.tokens
                self.answer(200 if known else 401, provider.claims() if known else {})
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            provider.asked.append(self.path)
            if self.path == "/token":
                self.answer(*provider.token({name: values[0] for name, values in parse_qs(body).items()}))
            else:
                self.answer(404, {})

        def answer(self, status: int, body: dict[str, Any], Location: str = "") -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            if Location:
                self.send_header("Location", Location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    return Handler
