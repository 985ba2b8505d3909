"""A provider of OAuth 2 with an API behind it, on a real socket, written from RFC 6749, 6750 and 7636.

It enforces what real ones enforce: known clients by their secret, registered redirect addresses, PKCE, codes and
refresh tokens that work once. Refresh tokens rotate; one that is used twice ends the whole agreement.
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
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

CLIENT, SECRET = "clinic-platform", "s3cret of the client & more"
CALLBACK = "https://platform.example/callback"


@dataclass
class Agreement:
    """What one person agreed to, or one client for itself."""

    scope: str = ""
    ended: bool = False


@dataclass
class Provider:
    """`with Provider() as provider:`; the knobs may be turned at any time."""

    callbacks: set[str] = field(default_factory=lambda: {CALLBACK})
    lifetime: float | None = 3600  # seconds of an access token; None: not told
    gives_refresh_token: bool = True
    rotates: bool = True
    public: bool = False  # the client has no secret
    refuses: bool = False  # the API, whatever the token
    down: bool = False  # the token endpoint answers 503
    agrees: bool = True  # the person at the page
    waits: float = 0.0  # seconds before a token is given
    revokes_after: int | None = None  # calls of the API: then every access token is refused
    ends_after: int | None = None  # likewise, and the agreements end too

    def __post_init__(self) -> None:
        self.codes: dict[str, tuple[str, str, Agreement]] = {}
        self.access: dict[str, tuple[float, Agreement]] = {}
        self.refresh: dict[str, Agreement] = {}
        self.used: dict[str, Agreement] = {}
        self.asked: list[dict[str, str]] = []  # forms at the token endpoint
        self.records: list[Any] = []  # what was written to the API
        self.calls: list[int] = []  # statuses of the API
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=5)

    def credential(self, grant: str, **more: Any) -> dict[str, Any]:
        """Values for the `http` adaptor."""
        return {
            "baseUrl": f"{self.url}/api",
            "test_path": "/me",
            "grant": grant,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "token_url": f"{self.url}/token",
            **({"authorize_url": f"{self.url}/authorize"} if grant == "authorization_code" else {}),
            **more,
        }

    def grants(self) -> list[str]:
        return [form["grant_type"] for form in self.asked]

    def revoke_access(self) -> None:
        """All access tokens are refused from now on; the agreements go on."""
        with self.lock:
            self.access.clear()

    def end_agreements(self) -> None:
        with self.lock:
            self.access.clear()
            self._end_all()

    def _end_all(self) -> None:
        for agreement in (*self.refresh.values(), *self.used.values()):
            agreement.ended = True

    # --- what it answers ------------------------------------------------------------------------------

    def authorize(self, query: dict[str, str]) -> tuple[int, dict[str, str]]:
        target = query.get("redirect_uri", "")
        if query.get("client_id") != CLIENT or target not in self.callbacks:
            return 400, {}  # never redirected to an address that nobody registered
        back = {"state": query.get("state", "")}
        right = query.get("response_type") == "code" and query.get("code_challenge_method") == "S256"
        if not right or not query.get("code_challenge"):
            return 302, {"Location": f"{target}?{urlencode({**back, 'error': 'invalid_request'})}"}
        if not self.agrees:
            said = {"error": "access_denied", "error_description": "The person said no."}
            return 302, {"Location": f"{target}?{urlencode({**back, **said})}"}
        code = secrets.token_urlsafe(12)
        agreement = Agreement(scope=query.get("scope", ""))
        self.codes[code] = (query["code_challenge"], target, agreement)
        return 302, {"Location": f"{target}?{urlencode({**back, 'code': code})}"}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        time.sleep(self.waits)
        with self.lock:
            self.asked.append(form)
            if self.down:
                return 503, {"error": "temporarily_unavailable", "error_description": "Come back later."}
            if not self._knows(form, authorization):
                return 401, {"error": "invalid_client", "error_description": "Unknown client."}
            agreement = self._agreement(form)
            if isinstance(agreement, str):
                return 400, {"error": agreement, "error_description": "Token has been expired or revoked."}
            return 200, self._given(agreement, renewable=form["grant_type"] != "client_credentials")

    def _knows(self, form: dict[str, str], authorization: str) -> bool:
        if self.public:
            return form.get("client_id") == CLIENT and "client_secret" not in form and not authorization
        if authorization:
            kind, _, encoded = authorization.partition(" ")
            pair = base64.b64decode(encoded).decode()
            name, _, secret = pair.partition(":")
            return kind == "Basic" and (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def _agreement(self, form: dict[str, str]) -> Agreement | str:
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return Agreement(scope=form.get("scope", ""))
        if kind == "authorization_code":
            return self._of_code(form)
        if kind != "refresh_token":
            return "unsupported_grant_type"
        token = form.get("refresh_token", "")
        if token in self.used:  # somebody has a copy
            self.used[token].ended = True
        agreement = self.refresh.get(token)
        if agreement is None or agreement.ended:
            return "invalid_grant"
        if self.rotates:
            self.used[token] = self.refresh.pop(token)
        return agreement

    def _of_code(self, form: dict[str, str]) -> Agreement | str:
        challenge, target, agreement = self.codes.pop(form.get("code", ""), ("", "", Agreement(ended=True)))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        shown = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        right = not agreement.ended and shown == challenge and form.get("redirect_uri") == target
        return agreement if right else "invalid_grant"

    def _given(self, agreement: Agreement, *, renewable: bool) -> dict[str, Any]:
        access = f"access-{secrets.token_urlsafe(18)}"
        until = time.monotonic() + (3600 if self.lifetime is None else self.lifetime)
        self.access[access] = (until, agreement)
        body: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "scope": agreement.scope}
        if self.lifetime is not None:
            body["expires_in"] = self.lifetime
        if (
            renewable
            and self.gives_refresh_token
            and (self.rotates or agreement not in self.refresh.values())
        ):
            body["refresh_token"] = f"refresh-{secrets.token_urlsafe(18)}"
            self.refresh[body["refresh_token"]] = agreement
        return body

    def api(self, method: str, path: str, body: bytes, authorization: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            until, agreement = self.access.get(authorization.removeprefix("Bearer "), (0.0, Agreement()))
            good = until > time.monotonic() and not agreement.ended and not self.refuses
            allowed = authorization.startswith("Bearer ") and good
            self.calls.append(200 if allowed else 401)
            if not allowed:
                return 401, {"error": {"message": "The access token is not valid."}}
            if method == "POST":
                self.records.append(json.loads(body))
            if self.calls.count(200) in (self.revokes_after, self.ends_after):
                self.access.clear()
            if self.calls.count(200) == self.ends_after:
                self._end_all()
            return 200, {"path": path, "count": len(self.records)}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shown = self.headers.get("Authorization", "")
            headers: dict[str, str] = {}
            content: dict[str, Any] = {}
            if url.path == "/authorize":
                status, headers = provider.authorize(_flat(url.query))
            elif url.path == "/token" and self.command == "POST":
                status, content = provider.token(_flat(body.decode()), shown)
            elif url.path.startswith("/api/"):
                status, content = provider.api(self.command, url.path, body, shown)
            else:
                status = 404
            self.send(status, headers, json.dumps(content).encode())

        def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            """Quiet."""

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
