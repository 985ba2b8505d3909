"""The way out: one connection of Django's mail backend, and what its failures mean.

Whose trouble it is decides what waits: one mail, everything for one person, or everything (the server).
"""

from __future__ import annotations

import smtplib
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.smtp import sanitize_address  # type: ignore[attr-defined]  # not in the stubs

from openfn_platform.common.text import one_line
from runs.models import Notification

STEP_SECONDS = 10  # a server that says nothing for so long is not waited for


class Trouble(StrEnum):
    MAIL = "mail"
    BROKEN = "broken"  # the connection died over this mail: perhaps because of it, so the others do not wait
    PERSON = "person"
    SERVER = "server"


class Undelivered(Exception):
    """A mail did not get through. The sentence is for the administrator's list of mails."""

    def __init__(self, sentence: str, *, trouble: Trouble, permanent: bool = False) -> None:
        self.sentence = one_line(sentence, 300)
        self.trouble = trouble
        self.permanent = permanent
        super().__init__(self.sentence)


SERVER_TROUBLE = "The mail server cannot be used: "


class Post:
    """Sends one mail after the other over one connection, opened when the first is sent."""

    def __init__(self) -> None:
        self._backend: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def send(self, mail: Notification) -> None:
        """Returns when the server has taken the mail; raises `Undelivered`."""
        self._open()
        try:
            self._backend.send_messages([_message(mail)])
        except smtplib.SMTPException as error:
            self._close()
            raise _refusal(error) from error
        except OSError as error:
            self._close()
            raise Undelivered(f"The connection broke: {_words(error)}", trouble=Trouble.BROKEN) from error
        except ValueError as error:  # BadHeaderError, an address that is none
            raise Undelivered(
                f"It cannot be sent: {_words(error)}", trouble=Trouble.MAIL, permanent=True
            ) from error

    def _open(self) -> None:
        if self._backend is not None:
            return
        try:
            sanitize_address(settings.DEFAULT_FROM_EMAIL, "utf-8")
            timeout = min(STEP_SECONDS, settings.EMAIL_TIMEOUT or STEP_SECONDS)
            self._backend = get_connection(timeout=timeout)
            self._backend.open()
        except (smtplib.SMTPException, OSError, ImproperlyConfigured, ValueError) as error:
            self._close()
            raise Undelivered(SERVER_TROUBLE + _words(error), trouble=Trouble.SERVER) from error

    def _close(self) -> None:
        if self._backend is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._backend.close()
            self._backend = None


def message_id(mail: Notification) -> str:
    """Always the same for the same mail: whoever gets it twice (a sender died between sending and writing that
    down) has a mail program that shows it once."""
    return f"<{mail.pk}@{_domain()}>"


def _message(mail: Notification) -> EmailMessage:
    headers = {"Message-ID": message_id(mail), "Auto-Submitted": "auto-generated"}
    if mail.incident_id is not None:
        headers["References"] = f"<incident.{mail.incident_id}@{_domain()}>"  # one thread per incident
    return EmailMessage(subject=one_line(mail.subject), body=mail.text, to=[mail.recipient], headers=headers)


def _domain() -> str:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return host if host.isascii() and ":" not in host else "openfn-platform.localhost"


def _refusal(error: smtplib.SMTPException) -> Undelivered:
    words = _words(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((reply[0] for reply in error.recipients.values()), default=0)
        if code == 421:
            return Undelivered(SERVER_TROUBLE + words, trouble=Trouble.SERVER)
        return Undelivered(f"The address was refused: {words}", trouble=Trouble.PERSON, permanent=code >= 500)
    if isinstance(error, smtplib.SMTPDataError) and error.smtp_code != 421:
        # A 5xx here is often about the sender's domain and so about every mail: never final at once.
        return Undelivered(f"The mail was refused: {words}", trouble=Trouble.MAIL)
    if isinstance(error, smtplib.SMTPResponseException):
        return Undelivered(SERVER_TROUBLE + words, trouble=Trouble.SERVER)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Undelivered(f"It cannot be sent: {words}", trouble=Trouble.PERSON, permanent=True)
    return Undelivered(f"The connection broke: {words}", trouble=Trouble.BROKEN)


def _words(error: Exception) -> str:
    """What the server said, or what is wrong with the connection."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(_reply(*reply) for reply in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__


def _reply(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
