"""`email`: mails with attachments by any SMTP server."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid, parseaddr
from typing import Any

from jobs.adaptors.auth import authority_of
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    Timeout,
    Unavailable,
    ValidationError,
)
from jobs.adaptors.exchanges import Exchanges
from jobs.adaptors.spec import AdaptorSpec, certificate, credential, operation, secret, text
from openfn_platform.common.addresses import AddressRefused
from openfn_platform.common.failures import ConnectFailed, HttpError, TimedOut
from openfn_platform.common.sockets import connected
from openfn_platform.common.trust import tls_context

SECONDS = 30.0
PORTS = {"none": 25, "starttls": 587, "tls": 465}
MAY_HAVE_GONE = "It may have been sent all the same: look before sending it again."


class _Client(smtplib.SMTP):
    """smtplib over a socket that was judged before."""

    def __init__(self, ready: socket.socket, host: str) -> None:
        self._ready = ready
        super().__init__(timeout=SECONDS)
        self._host = host  # the name in the certificate

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._ready


class Client:
    """One account at one mail server."""

    schema = credential(
        {
            "host": text("Server", examples=["smtp.example.org"], minLength=1),
            "port": {
                "type": "integer",
                "title": "Port",
                "description": "587 with STARTTLS, 465 with TLS, 25 without, unless told.",
                "minimum": 1,
                "maximum": 65535,
            },
            "security": text("Encryption", enum=list(PORTS), default="starttls"),
            "username": text("User name"),
            "password": secret("Password"),
            "from": text("Sender", examples=["Clinic <clinic@example.org>"], minLength=3),
            "ca": certificate("For a server with a certificate of its own."),
        },
        required=("host", "from"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self.context = context
        self._configuration = configuration
        self._security = str(configuration.get("security") or "starttls")
        self._host = str(configuration["host"])
        self._port = int(configuration.get("port") or PORTS[self._security])
        self._from = str(configuration["from"])
        secrets = tuple(filter(None, [configuration.get("password")]))
        self._exchanges = Exchanges(context, protocol="smtp", secrets=secrets)
        self._where = f"smtp://{self._host}:{self._port}"

    @operation(
        example='email.send(to="nurse@example.org", subject="Report", text="See below.", attachments={"r.csv": csv_text})',
        writes=True,
    )
    def send(
        self,
        *,
        to: str | Iterable[str],
        subject: str,
        text: str = "",
        html: str | None = None,
        cc: str | Iterable[str] = (),
        bcc: str | Iterable[str] = (),
        reply_to: str | None = None,
        attachments: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a mail; answers `{message_id, accepted, refused}`.

        Attachments are texts or bytes by file name. Recipients that the server refuses are listed in `refused`; when
        it refuses all of them that is an error. Never sent again by itself when it may have gone out.
        """
        to, cc, bcc = _listed(to), _listed(cc), _listed(bcc)  # which may be read only once
        everybody = [*to, *cc, *bcc]
        if not everybody:
            raise ValidationError("A mail needs a recipient.", sent=False)
        text, html = _plain(text), None if html is None else _plain(html)
        message = self._message(_listed(to), _listed(cc), subject, text, html, reply_to, attachments or {})
        for name, value in (headers or {}).items():
            _add_header(message, name, value)
        shown = f"To: {', '.join(everybody)}\nSubject: {subject}\n\n{text or html or ''}"
        if self._exchanges.held("SEND", self._where, body=shown):
            return {"message_id": message["Message-ID"], "accepted": everybody, "refused": {}}
        with self._exchanges.write("SEND", self._where, body=shown) as told, self._session() as server:
            refused = self._handed_over(server, message, everybody)
            told.outcome = f"{len(everybody) - len(refused)} of {len(everybody)} recipients"
        accepted = [each for each in everybody if each not in refused]
        return {"message_id": message["Message-ID"], "accepted": accepted, "refused": refused}

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        with self._exchanges.read("NOOP", self._where), self._session() as server:
            server.noop()
        return f"The mail server {self._host} accepts the credential."

    def close(self) -> None:
        """Each mail has a connection of its own."""

    def __repr__(self) -> str:
        return f"<connection to the mail server {self._host}>"

    def _message(
        self,
        to: list[str],
        cc: list[str],
        subject: str,
        text: str,
        html: str | None,
        reply_to: str | None,
        attachments: Mapping[str, str | bytes],
    ) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"], message["Subject"] = self._from, " ".join(_plain(subject).split())
            message["To"] = ", ".join(to)
            if cc:
                message["Cc"] = ", ".join(cc)
            if reply_to:
                message["Reply-To"] = ", ".join(_listed(reply_to))
        except (ValueError, IndexError):
            raise ValidationError("An address in this mail is not one.", sent=False) from None
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=parseaddr(self._from)[1].rpartition("@")[2] or "localhost")
        message.set_content(text or ("" if html is None else "This mail has its text as a web page only."))
        if html is not None:
            message.add_alternative(html, subtype="html")
        for name, content in attachments.items():
            _attach(message, name, content)
        return message

    def _handed_over(
        self, server: smtplib.SMTP, message: EmailMessage, everybody: list[str]
    ) -> dict[str, str]:
        sender = parseaddr(self._from)[1]
        addresses = {parseaddr(each)[1]: each for each in everybody}
        try:
            answers = server.send_message(message, from_addr=sender, to_addrs=list(addresses))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            words = "; ".join(f"{each}: {_words(said)}" for each, said in error.recipients.items())
            later = all(400 <= code < 500 for code in codes)
            raise ValidationError(
                f"The mail server refused every recipient ({words}).", retryable=later, sent=False
            ) from None
        return {addresses[each]: _words(said) for each, said in answers.items()}

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A connection, logged in; what goes wrong on it becomes one of our errors."""
        handed = [False]
        try:
            server = self._connected()
            try:
                handed[0] = True
                yield server
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except AddressRefused as error:
            raise ConfigurationError(str(error), kind="partner") from None
        except (TimedOut, ConnectFailed, HttpError) as error:
            kind = Timeout if isinstance(error, TimedOut) else Unavailable
            raise kind(f"The mail server did not answer: {error}", sent=False) from None
        except smtplib.SMTPAuthenticationError as error:
            raise AuthError(f"The mail server refused the log-in: {self._said(error)}", sent=False) from None
        except smtplib.SMTPResponseException as error:
            later = 400 <= error.smtp_code < 500
            refused: type[AdaptorError] = Unavailable if later else ValidationError
            raise refused(f"The mail server said: {self._said(error)}", retryable=later, sent=False) from None
        except smtplib.SMTPServerDisconnected:
            raise self._lost(Unavailable, handed[0]) from None
        except smtplib.SMTPException as error:
            raise AdaptorError(f"The mail server: {self._exchanges.redact(str(error))}", sent=False) from None
        except ssl.SSLError as error:
            reason = (
                "its certificate is not trusted" if "CERTIFICATE" in str(error) else "no secure connection"
            )
            raise Unavailable(
                f"The mail server {self._host}: {reason}.", sent=False, retryable=False
            ) from None
        except TimeoutError:
            raise self._lost(Timeout, handed[0]) from None
        except OSError:
            raise self._lost(Unavailable, handed[0]) from None

    def _lost(self, kind: type[AdaptorError], handed: bool) -> AdaptorError:
        said = f"The connection to the mail server {self._host} broke off."
        return kind(said, sent=handed, retryable=not handed, hint=MAY_HAVE_GONE if handed else None)

    def _connected(self) -> smtplib.SMTP:
        trust = authority_of(self._configuration) or tls_context()
        ready = connected(self._exchanges.policy, self._host, self._port, timeout=SECONDS)
        if self._security == "tls":
            ready = trust.wrap_socket(ready, server_hostname=self._host)
        server = _Client(ready, self._host)
        try:
            server.connect(self._host, self._port)
            server.ehlo()
            if self._security == "starttls":
                server.starttls(context=trust)
                server.ehlo()
            if self._configuration.get("username"):
                server.login(self._configuration["username"], self._configuration.get("password") or "")
        except BaseException:
            server.close()
            raise
        return server

    def _said(self, error: smtplib.SMTPResponseException) -> str:
        return self._exchanges.redact(_words((error.smtp_code, error.smtp_error)))


def _attach(message: EmailMessage, name: str, content: str | bytes) -> None:
    import mimetypes

    kind = mimetypes.guess_type(name)[0] or (
        "text/plain" if isinstance(content, str) else "application/octet-stream"
    )
    if not isinstance(content, (str, bytes, bytearray)):
        raise ValidationError(f"The attachment {name!r} is neither text nor bytes.", sent=False)
    main, _, sub = kind.partition("/")
    # As bytes also where it is text, or every end of a line in it would be written anew.
    data = content.encode("utf-8", "replace") if isinstance(content, str) else bytes(content)
    charset = {"charset": "utf-8"} if isinstance(content, str) and main == "text" else None
    message.add_attachment(data, maintype=main, subtype=sub, filename=name, params=charset)


def _add_header(message: EmailMessage, name: str, value: Any) -> None:
    try:
        if not re.fullmatch(r"[!-9;-~]+", name):
            raise ValueError
        message[name] = _plain(value)
    except (ValueError, TypeError):
        raise ValidationError(
            f"The header {name!r} cannot be added: it is there already, or holds what no header may hold.",
            sent=False,
        ) from None


def _plain(text: Any) -> str:
    """As a mail can carry it: half a character cannot travel."""
    return "" if text is None else str(text).encode("utf-8", "replace").decode("utf-8")


def _listed(given: str | Iterable[str]) -> list[str]:
    found = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    for each in found:
        if not isinstance(each, str):
            raise ValidationError("A mail address must be text.", sent=False)
        if len(getaddresses([each])) > 1:
            # The server would be told of the first alone.
            raise ValidationError("Each address stands for itself: give several as a list.", sent=False)
        name, address = parseaddr(each)
        try:
            Address(name, addr_spec=address)
        except (ValueError, IndexError):
            address = ""
        if "@" not in address or any(sign in each for sign in "\r\n"):
            raise ValidationError(f"{each!r} is not a mail address.", sent=False)
    return found


def _words(said: tuple[int, bytes | str]) -> str:
    code, words = said
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"[:300]


ADAPTOR = AdaptorSpec(
    name="email",
    title="E-mail",
    summary="Mails with attachments by any SMTP server.",
    schema=Client.schema,
    client=Client,
)
