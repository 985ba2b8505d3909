"""Kannel, a real SMS gateway, with a handset at the other end.

with kannel() as gateway:
    urllib.request.urlopen(f"{gateway.url}/cgi-bin/sendsms?username=…&password=…&to=…&text=…")
    assert gateway.handset.wait_for(1)[0].text == "Clinic tomorrow"
    gateway.handset.say("+255712345678", "2020", "STOP")     # calls `inbound_url` when one was given
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.servers.programs import home, program, running
from tests.servers.smtp import free_port

CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
box-deny-ip = "*.*.*.*"
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = handset
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {http}
sendsms-interface = 127.0.0.1
sendsms-chars = "0123456789+"
global-sender = 2020

group = sendsms-user
username = {user}
password = {password}
max-messages = 3
concatenation = true

group = sms-service
keyword = default
{inbound}
max-messages = 0
"""


@dataclass(frozen=True)
class Text:
    """A text message."""

    sender: str
    receiver: str
    text: str


class Handset:
    """The telephones of the whole country: gets what Kannel sends, and can send itself."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._line.settimeout(None)
        self._received: list[Text] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="handset")
        self._thread.start()

    def wait_for(self, count: int, seconds: float = 5) -> list[Text]:
        """All texts so far, when there are as many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self._received) >= count, seconds)
            assert arrived, f"{len(self._received)} of {count} texts arrived"
            return list(self._received)

    def say(self, sender: str, receiver: str, text: str) -> None:
        """Send a text to the gateway."""
        encoded = quote_from_bytes(text.encode("latin-1"), safe="")
        self._line.sendall(f"{sender} {receiver} data {encoded}\n".encode())

    def close(self) -> None:
        """Hang up."""
        self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._line.close()

    def _listen(self) -> None:
        with self._line.makefile("rb") as lines:
            for line in lines:
                with self._changed:
                    self._received.append(_text_from(line.rstrip(b"\n")))
                    self._changed.notify_all()


@dataclass(frozen=True)
class Kannel:
    """Where `cgi-bin/sendsms` is, and who may call it."""

    url: str
    user: str
    password: str
    handset: Handset


@contextmanager
def kannel(inbound_url: str = "") -> Iterator[Kannel]:
    """A gateway whose line to the handset is up; skips the test where Kannel is not installed."""
    bearerbox, smsbox = (program(name, package="kannel") for name in ("bearerbox", "smsbox"))
    user, password = "clinic", "secret"
    admin, box, smsc, port = (free_port() for _ in range(4))
    inbound = f'get-url = "{inbound_url}"' if inbound_url else 'text = ""'
    status = f"http://127.0.0.1:{admin}/status.txt?password={password}"
    with home() as folder:
        file = folder / "kannel.conf"
        file.write_text(
            CONFIGURATION.format(
                admin=admin, box=box, smsc=smsc, http=port, user=user, password=password, inbound=inbound
            )
        )
        arguments = ["-v", "1", str(file)]
        with (
            running([bearerbox, *arguments], folder, ready=lambda: _says(status, "FAKE")),
            running([smsbox, *arguments], folder, ready=lambda: _says(status, "smsbox:")),
        ):
            handset = Handset(smsc)
            try:
                _wait(lambda: _says(status, "(online"))
                yield Kannel(f"http://127.0.0.1:{port}", user, password, handset)
            finally:
                handset.close()


def _says(url: str, text: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return text in answer.read().decode()
    except OSError:
        return False


def _wait(condition, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "Kannel's line to the handset did not come up"
        time.sleep(0.02)


def _text_from(line: bytes) -> Text:
    """`sender receiver kind content`; the kind tells how the content is written."""
    sender, receiver, kind, content = line.split(b" ", 3)
    plain = unquote_to_bytes(content.replace(b"+", b" ")) if kind != b"text" else content
    encoding = "utf-16-be" if kind == b"ucs-2" else "utf-8"
    return Text(sender.decode(), receiver.decode(), plain.decode(encoding))
