"""The mails in `up`'s mail folder, as their reader would find them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

_BETWEEN = b"\n" + b"-" * 79 + b"\n"  # what Django's backend for files writes after each mail
_HOUR = timedelta(hours=1)
MAILS_AN_HOUR = 10  # to one person; the platform holds back what is more, and sends it as one list


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail."""

    subject: str
    text: str
    to: tuple[str, ...]
    at: datetime

    @property
    def kind(self) -> str:
        """What it says about an incident: opened, closed or reminder."""
        if self.text.startswith("Closed:"):
            return "closed"
        return "reminder" if self.text.startswith("Not well yet:") else "opened"


class Mailbox:
    """One person's mails."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._address = address.casefold()

    def mails(self) -> list[Mail]:
        found = [
            _mail(part)
            for file in sorted(self._folder.glob("*.log"))
            for part in file.read_bytes().split(_BETWEEN)
            if part.strip()
        ]
        return [mail for mail in found if self._address in mail.to]

    def about(self, incident: str) -> list[Mail]:
        """The mails with a link to that incident, lists left out."""
        link = f"/admin/runs/incident/{incident}/"
        return [
            mail
            for mail in self.mails()
            if mail.text.count("/admin/runs/incident/") == 1 and link in mail.text
        ]

    def is_full(self) -> bool:
        """Whether the hour's mails have gone out already, so that further ones are held back."""
        since = datetime.now(UTC) - _HOUR
        return sum(mail.at > since for mail in self.mails()) >= MAILS_AN_HOUR


def _mail(raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
    return Mail(
        subject=str(message["Subject"]),
        text=message.get_content(),
        to=tuple(address.casefold() for _, address in getaddresses([str(message["To"])])),
        at=parsedate_to_datetime(str(message["Date"])).replace(tzinfo=UTC),  # Django writes UTC, as "-0000"
    )
