"""Twilio's Messages API as a stand-in: send, list, read, delete, statuses that move on, signed callbacks.

Statuses move with time (settings `sent_after`, `delivered_after`), are decided per number (`undelivered`), or are
set by hand: `POST /__standin__/status {"sid", "status", "error_code"}`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import urlencode

from openfn_platform.demo.standins.pace import Pace
from openfn_platform.demo.standins.partner import Callback, Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.sms import E164, segments
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

VERSION = "2010-04-01"
ACCOUNT = f"/{VERSION}/Accounts/{{account}}"
LONGEST_BODY = 1600
DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
FINAL = ("delivered", "undelivered", "failed")


class Refused(Exception):
    """Twilio says no, with one of its numbered errors."""

    def __init__(self, status: int, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def answer(self) -> Answer:
        """The error body."""
        body = {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return _json(self.status, body, **self.headers)


class Twilio(Partner):
    """One Twilio account."""

    kind = "twilio"
    settings: ClassVar[Mapping[str, Any]] = {
        "account_sid": "AC0123456789abcdef0123456789abcdef",
        "auth_token": "fedcba9876543210fedcba9876543210",
        "numbers": ["+15005550006"],  # what the account may send from
        "services": ["MG0123456789abcdef0123456789abcdef"],
        "opted_out": ["+15005550004"],
        "landlines": ["+15005550009"],
        "blocked_prefixes": [],  # regions that are switched off
        "undelivered": {},  # number -> error code with which its messages end
        "per_second": None,  # more than so many messages in a second are refused
        "sent_after": 0.5,
        "delivered_after": 1.5,
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._pace = Pace()
        self._routes = Routes()
        self._routes.add(f"{ACCOUNT}/Messages.json", POST=self.send, GET=self.list)
        self._routes.add(f"{ACCOUNT}/Messages/{{sid}}.json", GET=self.read, DELETE=self.remove)
        self._routes.add(f"{ACCOUNT}.json", GET=self.account)

    def handle(self, request: Request) -> Answer:
        """Answer a request: the account is looked at first."""
        handler, named, exists = self._routes.find(request)
        try:
            if not exists:
                raise _missing(request.path)
            self._authenticate(request, named["account"])
            if handler is None:
                raise Refused(405, 20004, "Method not allowed")
            return handler(request, **named)
        except Refused as refusal:
            return refusal.answer()

    def state(self) -> dict[str, Any]:
        """All messages as the API would show them now, oldest first."""
        return {"messages": [self._shown(m) for m in self.store.table("message").values()]}

    def reset(self) -> None:
        """As new, and nothing sent within the last second."""
        super().reset()
        self._pace.clear()

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST status`: what becomes of a message."""
        if name != "status" or request.method != "POST":
            return None
        wanted = request.json()
        message = self.store.get("message", str(wanted.get("sid")))
        if message is None:
            raise ValueError("There is no message with that sid.")
        fixed = {"status": wanted["status"], "error_code": wanted.get("error_code")}
        message = self.store.put("message", message["sid"], {**message, "fixed": fixed})
        self._call_back(message, fixed["status"], 0)
        return Answer.json(200, self._shown(message))

    def send(self, request: Request, account: str) -> Answer:
        """POST Messages.json."""
        form = request.form
        to, sender = self._recipient(form), self._sender(form)
        text = form.get("Body", "")
        if not text:
            raise Refused(400, 21602, "Message body is required.")
        if len(text) > LONGEST_BODY:
            raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        self._limit_rate()
        sid = "SM" + secrets.token_hex(16)
        message = {
            "sid": sid,
            "to": to,
            "from": sender,
            "service": form.get("MessagingServiceSid"),
            "body": text,
            "callback": form.get("StatusCallback"),
            "created": time.time(),
            "fixed": None,
        }
        self.store.put("message", sid, message)
        self._announce(message)
        return _json(201, self._shown(message))

    def list(self, request: Request, account: str) -> Answer:
        """GET Messages.json: newest first, by page."""
        query = request.query
        found = [
            message
            for message in reversed(self.store.table("message").values())
            if ("To" not in query or message["to"] == query["To"])
            and ("From" not in query or message["from"] == query["From"])
        ]
        size = min(max(_number(query.get("PageSize"), DEFAULT_PAGE), 1), LARGEST_PAGE)
        # Pages go on after a message, so that messages sent meanwhile repeat nothing.
        after = query.get("PageToken", "").removeprefix("PA")
        start = next((at for at, m in enumerate(found, 1) if m["sid"] == after), 0)
        page = _number(query.get("Page"), 0)
        shown = found[start : start + size]
        kept = {n: query[n] for n in ("To", "From") if n in query} | {"PageSize": str(size)}

        def uri(number: int, token: str = "") -> str:
            parameters = {**kept, "Page": str(number), **({"PageToken": token} if token else {})}
            return f"{request.path}?{urlencode(parameters)}"

        more = start + size < len(found)
        back = found[start - size - 1]["sid"] if start > size else ""
        answer = {
            "first_page_uri": uri(0),
            "end": page * size + max(len(shown) - 1, 0),
            "previous_page_uri": uri(page - 1, f"PA{back}" if back else "") if page > 0 else None,
            "messages": [self._shown(message) for message in shown],
            "uri": uri(page, query.get("PageToken", "")),
            "page_size": size,
            "start": page * size,
            "next_page_uri": uri(page + 1, f"PA{shown[-1]['sid']}") if more else None,
            "page": page,
        }
        return _json(200, answer)

    def read(self, request: Request, account: str, sid: str) -> Answer:
        """GET one message."""
        return _json(200, self._shown(self._message(request, sid)))

    def remove(self, request: Request, account: str, sid: str) -> Answer:
        """DELETE one message; one on its way cannot be."""
        message = self._message(request, sid)
        if self._status(message)[0] not in FINAL:
            raise Refused(409, 20009, "The resource cannot be deleted while it is being processed.")
        self.store.remove("message", sid)
        return Answer(204)

    def account(self, request: Request, account: str) -> Answer:
        """GET the account: the usual test of credentials."""
        uri = f"/{VERSION}/Accounts/{account}.json"
        shown = {"sid": account, "friendly_name": "Stand-in", "status": "active", "type": "Full", "uri": uri}
        return _json(200, shown)

    def _authenticate(self, request: Request, account: str) -> None:
        own = (self.config["account_sid"], self.config["auth_token"])
        if request.basic_auth != own or account != own[0]:
            raise Refused(401, 20003, "Authenticate", WWW_Authenticate='Basic realm="Twilio API"')

    def _message(self, request: Request, sid: str) -> Record:
        message = self.store.get("message", sid)
        if message is None:
            raise _missing(request.path)
        return message

    def _recipient(self, form: Mapping[str, str]) -> str:
        given = form.get("To", "")
        if not given.strip():
            raise Refused(400, 21604, "A 'To' phone number is required.")
        to = re.sub(r"[\s().-]", "", given)
        if not E164.fullmatch(to):
            raise Refused(400, 21211, f"The 'To' number {given} is not a valid phone number.")
        if to.startswith(tuple(self.config["blocked_prefixes"])):
            told = f"Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}."
            raise Refused(400, 21408, told)
        if to in self.config["landlines"]:
            raise Refused(400, 21614, f"To number: {to}, is not a mobile number")
        if to in self.config["opted_out"]:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        return to

    def _sender(self, form: Mapping[str, str]) -> str | None:
        service, sender = form.get("MessagingServiceSid"), form.get("From")
        if service:
            if service not in self.config["services"]:
                raise Refused(404, 21701, f"The Messaging Service {service} does not exist")
            return sender or self.config["numbers"][0]
        if not sender:
            raise Refused(400, 21603, "A 'From' phone number is required.")
        if sender not in self.config["numbers"]:
            told = f"The 'From' phone number provided ({sender}) is not a valid message-capable Twilio phone number"
            raise Refused(400, 21606, f"{told} for this destination.")
        return sender

    def _limit_rate(self) -> None:
        if wait := self._pace.wait(self.config["per_second"]):
            raise Refused(429, 20429, "Too Many Requests", Retry_After=str(wait))

    def _status(self, message: Record) -> tuple[str, int | None, float]:
        """Status, error code and when it became so."""
        created: float = message["created"]
        if message["fixed"]:
            return message["fixed"]["status"], message["fixed"]["error_code"], created
        age = time.time() - created
        if age >= self.config["delivered_after"]:
            code = self.config["undelivered"].get(message["to"])
            return "undelivered" if code else "delivered", code, created + self.config["delivered_after"]
        if age >= self.config["sent_after"]:
            return "sent", None, created + self.config["sent_after"]
        return "queued", None, created

    def _announce(self, message: Record) -> None:
        end = "undelivered" if message["to"] in self.config["undelivered"] else "delivered"
        self._call_back(message, "sent", self.config["sent_after"])
        self._call_back(message, end, self.config["delivered_after"])

    def _call_back(self, message: Record, status: str, after: float) -> None:
        url = message["callback"]
        if not url:
            return
        fields = {
            "MessageSid": message["sid"],
            "SmsSid": message["sid"],
            "MessageStatus": status,
            "SmsStatus": status,
            "To": message["to"],
            "From": message["from"],
            "AccountSid": self.config["account_sid"],
            "ApiVersion": VERSION,
        }
        if status in ("undelivered", "failed"):
            own = (message["fixed"] or {}).get("error_code")
            fields["ErrorCode"] = str(own or self.config["undelivered"].get(message["to"], 30008))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(self.config["auth_token"], url, fields),
        }
        self.call_later(Callback(after, url, urlencode(fields).encode(), headers))

    def _shown(self, message: Record) -> dict[str, Any]:
        status, code, since = self._status(message)
        uri = f"/{VERSION}/Accounts/{self.config['account_sid']}/Messages/{message['sid']}"
        return {
            "account_sid": self.config["account_sid"],
            "api_version": VERSION,
            "body": message["body"],
            "date_created": _date(message["created"]),
            "date_sent": None if status == "queued" else _date(since),
            "date_updated": _date(since),
            "direction": "outbound-api",
            "error_code": code,
            "error_message": None,
            "from": message["from"],
            "messaging_service_sid": message["service"],
            "num_media": "0",
            "num_segments": str(segments(message["body"])),
            "price": None,
            "price_unit": "USD",
            "sid": message["sid"],
            "status": status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": message["to"],
            "uri": f"{uri}.json",
        }


def signature(token: str, url: str, fields: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted fields."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def _missing(path: str) -> Refused:
    return Refused(404, 20404, f"The requested resource {path} was not found")


def _date(moment: float) -> str:
    return formatdate(moment).replace("-0000", "+0000")


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise


def _json(status: int, value: object, **headers: str) -> Answer:
    return Answer.json(status, value, Content_Type="application/json", **headers)
