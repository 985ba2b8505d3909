"""A real SMTP server on the loopback interface, with the faults that real ones have.

with Postbox(tls="starttls", users={"clinic": "secret"}) as postbox:
    … a client with `postbox.client_context()` sends to `postbox.port` …
    assert postbox.addresses() == ["asha@example.org"]
"""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
import tempfile
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.certificates import Certificate


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Taken:
    """How a mail came in."""

    sender: str
    recipients: list[str]
    encrypted: bool
    user: str | None


class Postbox:
    """Takes every mail, unless told otherwise."""

    def __init__(
        self, *, tls: Literal["", "starttls", "implicit"] = "", users: dict[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.taken: list[EmailMessage] = []
        self.envelopes: list[Taken] = []
        self.recipients_asked = 0
        self.refused: dict[str, str] = {}  # address, or pattern such as *@gone.example -> reply
        self.reply_to_data = ""
        self.dies_after_data = 0
        self.users = users or {}
        self._tls = tls
        self._folder = tempfile.TemporaryDirectory(prefix="openfn-postbox-") if tls else None
        self._certificate = Certificate.make(Path(self._folder.name)) if self._folder else None
        self._controller: _Controller | None = None

    def client_context(self) -> ssl.SSLContext:
        """Trusts the certificate of this postbox."""
        assert self._certificate is not None, "this postbox speaks no TLS"
        return self._certificate.for_client

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._folder is not None:
            self._folder.cleanup()

    def open(self) -> None:
        context = self._certificate.for_server if self._certificate else None
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ready_timeout=5,
            ssl_context=context if self._tls == "implicit" else None,
            tls_context=context if self._tls == "starttls" else None,
            require_starttls=self._tls == "starttls",
            authenticator=self._authenticated if self.users else None,
            auth_require_tls=self._tls == "starttls",
        )
        self._controller.start()

    def close(self) -> None:
        if self._controller is not None:
            self._controller.hang_up()
            self._controller.stop()
            self._controller = None

    def addresses(self) -> list[str]:
        return [str(mail["To"]) for mail in self.taken]

    async def handle_MAIL(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.users and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.recipients_asked += 1
        for pattern, reply in self.refused.items():
            if fnmatchcase(address, pattern):
                return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.reply_to_data:
            return self.reply_to_data
        content: Any = envelope.content
        self.taken.append(email.message_from_bytes(content, policy=default))
        self.envelopes.append(_taken(server, session, envelope))
        if self.dies_after_data:
            self.dies_after_data -= 1
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"

    def _authenticated(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        known = (
            isinstance(data, LoginPassword) and self.users.get(data.login.decode()) == data.password.decode()
        )
        return AuthResult(success=known, handled=False, auth_data=data)


class _Controller(Controller):
    """Remembers its connections, so that none is left open at the end."""

    _connections: list[SMTP]

    def factory(self) -> SMTP:
        self._connections = [*getattr(self, "_connections", []), super().factory()]
        return self._connections[-1]

    def hang_up(self) -> None:
        for connection in getattr(self, "_connections", []):
            if connection.transport is not None:
                self.loop.call_soon_threadsafe(connection.transport.abort)


def _taken(server: SMTP, session: Session, envelope: Envelope) -> Taken:
    encrypted = server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
    data: Any = session.auth_data
    login = data.login.decode() if session.authenticated else None
    return Taken(str(envelope.mail_from), list(envelope.rcpt_tos), encrypted, login)


class SilentServer:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self.connections:
            connection.close()
