"""A Kannel gateway as a stand-in: `sendsms` by query or by headers, its plain answers, reports, the status page.

It speaks as smsbox does: who can be reached gets the message, a number with other characters is left out in silence
unless no number remains. A report calls `dlr-url` with its `%` marks filled. A test decides about a message by
`POST /__standin__/dlr {"id", "type", "reply"}`.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from openfn_platform.demo.standins.callbacks import query_callback
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.sms import gsm_only, segments
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

SENDSMS = "/cgi-bin/sendsms"
NUMBER = re.compile(r"[0-9 +-]+", re.ASCII)
DELIVERED, FAILED, BUFFERED, ACCEPTED, REJECTED = 1, 2, 4, 8, 16
LARGEST_MASK = 63
RANGES = {"mclass": (-1, 3), "coding": (-1, 2), "priority": (0, 3)}
OTHER_NAMES = {"user": "username", "pass": "password", "dlrurl": "dlr-url", "dlrmask": "dlr-mask"}


class Refused(Exception):
    """The gateway says no, in plain text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kannel(Partner):
    """One gateway with one sendsms user."""

    kind = "kannel"
    settings: ClassVar[Mapping[str, Any]] = {
        "username": "tester",
        "password": "foobar",
        "default_sender": None,  # who a message without `from` comes from; None refuses it
        "smscs": ["smsc1"],
        "black_list": [],
        "unroutable_prefixes": [],  # no operator takes these
        "answer": "accepted",  # or "queued" (no operator is connected) or "failing" (try later)
        "immediate_reply": False,  # answer "Sent." before the operators were asked, as older set-ups do
        "delivered_after": 0.5,
        "undelivered": [],  # numbers whose messages end as failed
        "admin": True,  # whether the status page is served on this port, too
        "status_password": None,
    }

    def handle(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            if request.path == SENDSMS:
                return self.send(request)
            if request.path == "/status.xml" and self.config["admin"]:
                return self.status(request)
            raise Refused(404, "Unknown request")
        except Refused as refusal:
            return _plain(refusal.status, str(refusal))

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST dlr`: what becomes of a message."""
        if name != "dlr" or request.method != "POST":
            return None
        wanted = request.json()
        message = self.store.get("message", str(wanted.get("id")))
        if message is None:
            raise ValueError("There is no message with that id.")
        self._report(message, int(wanted["type"]), wanted.get("reply", ""), 0)
        return Answer.json(200, message)

    def send(self, request: Request) -> Answer:
        """GET (or POST) sendsms."""
        fields = _fields(request)
        own = (self.config["username"], self.config["password"])
        if (_text(fields, "username"), _text(fields, "password")) != own:
            raise Refused(403, "Authorization failed for sendsms")
        if "to" not in fields:
            raise Refused(400, "Missing receiver number, rejected")
        if not fields["to"]:
            raise Refused(400, "Empty receiver number not allowed, rejected")
        given = list(dict.fromkeys(_text(fields, "to").split()))
        numbers = [number for number in given if self._allowed(number)]
        if not numbers:
            raise Refused(400, "Number(s) has/have been denied by white- and/or black-lists.")
        draft = self._draft(fields)
        return self._route(draft, numbers, [number for number in given if number not in numbers])

    def status(self, request: Request) -> Answer:
        """GET status.xml, the usual test that the gateway is up."""
        password = self.config["status_password"]
        if password is not None and request.query.get("password") != password:
            raise Refused(403, "Denied")
        sent = len(self.store.table("message"))
        state = "online 10s" if self.config["answer"] == "accepted" else "re-connecting"
        operators = "".join(
            f"<smsc><name>{escape(name)}</name><id>{escape(name)}</id><status>{state}</status></smsc>"
            for name in self.config["smscs"]
        )
        body = (
            '<?xml version="1.0"?>\n<gateway><version>Kannel bearerbox version `1.4.5\'.</version>'
            "<status>running, uptime 0d 0h 0m 10s</status>"
            f"<sms><received><total>0</total></received><sent><total>{sent}</total></sent></sms>"
            f"<smscs><count>{len(self.config['smscs'])}</count>{operators}</smscs></gateway>"
        )
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})

    def _allowed(self, number: str) -> bool:
        return NUMBER.fullmatch(number) is not None and number not in self.config["black_list"]

    def _draft(self, fields: Mapping[str, bytes]) -> Record:
        """The message but for its receiver."""
        sender = _text(fields, "from") or self.config["default_sender"]
        if not sender:
            raise Refused(400, "Sender missing and no global set, rejected")
        url = _text(fields, "dlr-url")
        if url and not url.lower().startswith(("http://", "https://")):
            raise Refused(400, "DLR-URL field misformed, rejected")
        mask = _number(fields, "dlr-mask", 0)
        if not -1 <= mask <= LARGEST_MASK:
            raise Refused(400, "DLR-Mask field misformed, rejected")
        for name, (low, high) in RANGES.items():
            if not low <= _number(fields, name, low) <= high:
                raise Refused(
                    400, f"{'MClass' if name == 'mclass' else name.capitalize()} field misformed, rejected"
                )
        coding = max(_number(fields, "coding", 0), 0)
        text = _body(fields, coding)
        return {
            "from": sender,
            "text": text,
            "coding": coding,
            "parts": segments(text, unicode=coding == 2),
            "smsc": _text(fields, "smsc") or (self.config["smscs"] or [""])[0],
            "account": _text(fields, "account"),
            "dlr_url": url,
            "dlr_mask": mask,
        }

    def _route(self, draft: Record, numbers: list[str], denied: list[str]) -> Answer:
        if self.config["answer"] == "failing":
            raise Refused(503, "Temporal failure, try again later.")
        known = draft["smsc"] in self.config["smscs"]
        ways = [n for n in numbers if known and not n.startswith(tuple(self.config["unroutable_prefixes"]))]
        for number in ways:
            message = {"id": str(uuid.uuid4()), "to": number, **draft, "created": time.time()}
            self.store.put("message", message["id"], message)
            self._announce(message)
        if self.config["immediate_reply"]:
            left_out = f" Denied receivers are: {' '.join(denied)}" if denied else ""
            splits = f" Message splits: {draft['parts']}" if draft["parts"] > 1 else ""
            return _plain(202, f"Sent.{left_out}{splits}")
        # Only the fate of the first number is told.
        if numbers[0] not in ways:
            raise Refused(403, "Not routable. Do not try again.")
        queued = self.config["answer"] == "queued"
        return _plain(202, "3: Queued for later delivery" if queued else "0: Accepted for delivery")

    def _announce(self, message: Record) -> None:
        if self.config["answer"] == "queued":
            return
        self._report(message, ACCEPTED, "ACK/", 0)
        after = self.config["delivered_after"]
        if message["to"] in self.config["undelivered"]:
            self._report(message, FAILED, "stat:UNDELIV err:001", after)
        else:
            self._report(message, DELIVERED, "stat:DELIVRD err:000", after)

    def _report(self, message: Record, kind: int, reply: str, after: float) -> None:
        if message["dlr_url"] and message["dlr_mask"] > 0 and message["dlr_mask"] & kind:
            url = _filled(message["dlr_url"], message, kind, reply, self.config["username"])
            self.call_later(query_callback(after, url))


def _filled(url: str, message: Record, kind: int, reply: str, username: str) -> str:
    """A report's URL: it comes from the receiver of the message and goes to its sender."""
    now = time.time()
    marks = {
        "d": str(kind),
        "p": message["to"],
        "P": message["from"],
        "q": re.sub("^00", "+", message["to"]),
        "Q": re.sub("^00", "+", message["from"]),
        "t": time.strftime("%Y-%m-%d %H:%M", time.gmtime(now)),
        "T": str(int(now)),
        "i": message["smsc"],
        "I": message["id"],
        "A": reply,
        "F": message["id"].replace("-", "")[:16].upper(),
        "n": username,
        "o": message["account"],
    }
    quoted = {mark: quote(value, safe="") for mark, value in marks.items()} | {"%": "%"}
    return re.sub("%(.)", lambda mark: quoted.get(mark[1], mark[0]), url)


def _fields(request: Request) -> dict[str, bytes]:
    """The parameters as bytes: what their characters are is told by `charset`."""
    if request.method not in ("GET", "POST"):
        raise Refused(405, "Method not allowed")
    if request.method == "POST" and request.body:
        return _posted(request)
    pairs = parse_qsl(request.query_string, keep_blank_values=True, encoding="latin-1")
    return {OTHER_NAMES.get(name, name): value.encode("latin-1") for name, value in reversed(pairs)}


def _posted(request: Request) -> dict[str, bytes]:
    """A POST carries the text as its body and all else in X-Kannel headers; a form is not understood."""
    if request.content_type not in ("text/plain", "application/octet-stream"):
        raise Refused(400, "Invalid content-type")
    prefix = "x-kannel-"
    headers = {n[len(prefix) :]: v for n, v in request.headers.items() if n.startswith(prefix)}
    charset = re.search(r"charset=\"?([\w-]+)", request.headers.get("content-type", ""))
    fields = {OTHER_NAMES.get(name, name): value.encode("latin-1") for name, value in headers.items()}
    fields["text"] = request.body
    return fields | ({"charset": charset[1].encode()} if charset else {})


def _body(fields: Mapping[str, bytes], coding: int) -> str:
    """The text as the phone shows it."""
    data = fields.get("text", b"")
    if coding == 1:
        return data.hex()
    charset = _text(fields, "charset") or ("utf-16-be" if coding == 2 else "utf-8")
    try:
        text = data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        raise Refused(400, "Charset or body misformed, rejected") from None
    # Seven bits carry the GSM alphabet only; all else needs coding=2.
    return text if coding == 2 else gsm_only(text)


def _text(fields: Mapping[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")


def _number(fields: Mapping[str, bytes], name: str, otherwise: int) -> int:
    found = re.match(r"\s*[+-]?\d+", _text(fields, name), re.ASCII)
    return int(found[0]) if found else otherwise


def _plain(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/html", "Server": "Kannel/1.4.5"})
