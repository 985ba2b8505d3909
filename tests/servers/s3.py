"""An S3 server (moto), and a proxy before it that checks signatures, keeps a record and has faults.

with S3Server() as s3:
    s3.make_bucket("exports")
    … a client works at `s3.url` …
    s3.drop_after("PUT")                     # the object is stored, the caller hears nothing
    assert s3.requests[-1].method == "PUT"
"""

from __future__ import annotations

import http.client
import logging
import re
import socketserver
import threading
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self

ACCESS_KEY, SECRET_KEY, REGION = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "eu-west-1",
)
SIGNED = re.compile(
    r"Credential=([^/]+)/\d{8}/([^/]+)/s3/aws4_request, *SignedHeaders=([^,]+), *Signature=(\w+)"
)
HOP_BY_HOP = {"transfer-encoding", "expect"}
OWN_HEADERS = {"connection", "transfer-encoding", "server", "date"}


@dataclass(frozen=True)
class Seen:
    """One request as it came in, and what was answered (0: nothing)."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class S3Server:
    """Empty at the start. `url` is the proxy, `direct_url` is moto."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.check_signatures = True
        self._drops: list[str] = []

    def drop_after(self, method: str) -> None:
        """The next request of this method is carried out, then the connection ends without an answer."""
        self._drops.append(method)

    def make_bucket(self, name: str) -> None:
        """By the back door: neither signed nor recorded."""
        self._direct("PUT", f"/{name}")

    def stored(self, path: str) -> bytes:
        """What is stored at `/bucket/key`."""
        return self._direct("GET", path)

    def __enter__(self) -> Self:
        # Costs more than a second, which tests of other servers need not pay.
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request otherwise
        self._moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self.direct_url = f"http://{host}:{port}"
        self._direct("POST", "/moto-api/reset")
        self._proxy = _Proxy(self, port)
        self.url = f"http://127.0.0.1:{self._proxy.server_address[1]}"
        self._thread = threading.Thread(target=self._proxy.serve_forever, args=(0.02,), name="s3 proxy")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._thread.join()
        self._proxy.server_close()
        self._moto.stop()
        server: Any = self._moto._server
        server.server_close()  # moto forgets to

    def _direct(self, method: str, path: str) -> bytes:
        # moto lets in whoever seems to have signed.
        request = urllib.request.Request(
            self.direct_url + path, method=method, headers={"Authorization": "AWS x:y"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: bytes = answer.read()
            return found

    def takes_drop(self, method: str) -> bool:
        """Whether this one is to be left without an answer."""
        if method not in self._drops:
            return False
        self._drops.remove(method)
        return True


class _Proxy(socketserver.ThreadingMixIn, HTTPServer):
    """One connection per request, so none is open when it stops."""

    def __init__(self, server: S3Server, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.s3, self.moto_port = server, port


class _Request(BaseHTTPRequestHandler):
    server: _Proxy

    def forward(self) -> None:
        """To moto and back."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body()
        fault = (
            signature_fault(self.command, self.path, dict(self.headers.items())) if self._checked() else ""
        )
        if fault:
            text = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{fault}</Message></Error>"
            self._answer(403, {"Content-Type": "application/xml"}, text.encode(), body)
            return
        moto = http.client.HTTPConnection("127.0.0.1", self.server.moto_port, timeout=10)
        try:
            kept = {name: text for name, text in self.headers.items() if name.lower() not in HOP_BY_HOP}
            moto.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
            answer = moto.getresponse()
            headers = {n: text for n, text in answer.getheaders() if n.lower() not in OWN_HEADERS}
            self._answer(answer.status, headers, answer.read(), body)
        finally:
            moto.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, format: str, *args: Any) -> None:
        """The record is enough."""

    def _checked(self) -> bool:
        return self.server.s3.check_signatures

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], content: bytes, body: bytes) -> None:
        dropped = status < 400 and self.server.s3.takes_drop(self.command)
        seen = Seen(self.command, self.path, 0 if dropped else status, dict(self.headers.items()), body)
        self.server.s3.requests.append(seen)
        if dropped:
            self.close_connection = True
            return
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        if "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def signature_fault(method: str, path: str, headers: dict[str, str]) -> str:
    """What is wrong with AWS's signature, version 4, by the reckoning of AWS's own library; moto takes any."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    lower = {name.lower(): text for name, text in headers.items()}
    found = SIGNED.search(lower.get("authorization", ""))
    if found is None:
        return "The request is not signed."
    access_key, region, names, given = found.groups()
    if access_key != ACCESS_KEY:
        return f"There is no key {access_key}."
    signed = {name: lower.get(name, "") for name in names.split(";")}
    request = AWSRequest(method, f"http://{lower['host']}{path}", signed)
    request.context["timestamp"] = lower.get("x-amz-date", "")
    signer = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", region)
    canonical = signer.canonical_request(request)
    right = signer.signature(signer.string_to_sign(request, canonical), request)
    return "" if right == given else f"The canonical request is: {canonical!r}"
