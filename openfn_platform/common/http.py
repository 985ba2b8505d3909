"""The one door to the outside world: every request that leaves this platform goes through `HttpClient`.

It keeps to the address policy, to a deadline for the whole call and to a cap on what comes back; repeats only
what is safe to repeat; follows redirects only where no secret can leak; and tells `trace` about each exchange.
Its errors are drawn in `failures`.

Pure: no Django here; nothing is opened on import, so a process may fork after it.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from openfn_platform.common.addresses import AddressPolicy, before_deadline
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.failures import (
    UNSENDABLE,
    AnswerRefused,
    ConnectFailed,
    ConnectionLost,
    HttpError,
    RedirectRefused,
    TimedOut,
    explained,
)
from openfn_platform.common.pinned import PinnedTransport
from openfn_platform.common.redaction import Redactor, redact_headers, tells_a_secret
from openfn_platform.common.tracing import beginning
from openfn_platform.common.trust import tls_context
from openfn_platform.common.unpacking import Unpacker, UnpackingFailed
from openfn_platform.common.urls import UrlRefused, add_params, join_url, masked_url, origin_of

__all__ = [
    "Answer",
    "AnswerRefused",
    "ConnectFailed",
    "ConnectionLost",
    "HttpClient",
    "HttpError",
    "RedirectRefused",
    "Retries",
    "TimedOut",
    "Timeouts",
    "is_write",
    "redact_headers",
    "retry_after",
    "tls_context",
]

Trace = Callable[[dict[str, Any]], None]

READS = frozenset({"GET", "HEAD", "OPTIONS"})
REPEATABLE = READS | {"PUT", "DELETE"}
TRY_LATER = frozenset({429, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3
PIECE = 65_536
# A header of any other name may be a key, and is treated as one when a redirect leads elsewhere.
HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, between two bytes, and for the whole call with its repeats and waits."""

    connect: float = 10
    read: float = 60
    total: float = 180


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how patiently a call is repeated."""

    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 60  # a partner that asks for more is not waited for here: the run is tried again

    def wait(self, attempt: int) -> float:
        """Doubles each time; half of it is chance, so that many runs do not come back at once."""
        full: float = min(self.first_wait * 2 ** (attempt - 1), self.longest_wait)
        return full * (0.5 + random.random() / 2)  # noqa: S311 (spreading, not secrecy)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, complete and unpacked."""

    status: int
    reason: str
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    url: str = field(repr=False)
    method: str
    duration_ms: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One request as asked for, before it becomes exchanges."""

    method: str
    url: str = field(repr=False)
    content: bytes | None = field(repr=False, default=None)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    secret_params: frozenset[str] = frozenset()
    repeatable: bool = False
    retry_statuses: frozenset[int] = TRY_LATER
    worth_repeating: Callable[[Answer], bool] = lambda answer: True
    timeouts: Timeouts = field(default_factory=Timeouts)
    write: bool = True
    keep_body: bool = False

    @property
    def carries_credentials(self) -> bool:
        if any(name.lower() not in HARMLESS_HEADERS for name in self.headers):
            return True
        return any(name in self.secret_params or tells_a_secret(name) for name in httpx.URL(self.url).params)


def is_write(method: str) -> bool:
    """Whether a method changes something at the partner."""
    return method.upper() not in READS


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds that a partner asks to wait, from a number or a date; nonsense counts as not asked."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return max(0.0, (aware - (now or datetime.now(UTC))).total_seconds())


class HttpClient:
    """Requests to one partner (with a base address) or to any allowed host (without)."""

    def __init__(
        self,
        *,
        base_url: str = "",
        policy: AddressPolicy | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        max_bytes: int = 50_000_000,
        secrets: Iterable[str] = (),
        trace: Trace | None = None,
        transport: httpx.BaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
        user_agent: str = "openfn-platform",
    ) -> None:
        self._base_url = join_url(base_url, "") if base_url else ""
        self._policy = policy or AddressPolicy()
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or Retries()
        self._max_bytes = max_bytes
        self._redact = Redactor(secrets)
        self._trace = trace
        self._sleep = sleep
        self._client = httpx.Client(
            transport=transport or PinnedTransport(policy=self._policy, tls=tls or tls_context),
            trust_env=False,  # a proxy or a netrc of this machine is not the project's business
            follow_redirects=False,
            headers={"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": user_agent},
        )

    def __repr__(self) -> str:
        return f"HttpClient({masked_url(self._base_url, redact=self._redact)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def move(self, base_url: str) -> None:
        """Another base address from now on, which the partner named when one logged in; the policy judges it too."""
        self._base_url = join_url(base_url, "")

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on."""
        self._redact.learn(secrets)

    def address(self, path: str, params: Mapping[str, object] | None = None) -> str:
        """The full address of a path, as `request` would call it."""
        return add_params(join_url(self._base_url, path), params)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        secret_params: Iterable[str] = (),
        repeatable: bool | None = None,
        retry_statuses: Iterable[int] = TRY_LATER,
        worth_repeating: Callable[[Answer], bool] = lambda answer: True,
        timeouts: Timeouts | None = None,
        write: bool | None = None,
        keep_body: bool = False,
    ) -> Answer:
        """Send, repeat where that is safe, follow what may be followed; any status comes back as an Answer.

        `repeatable` says that a write may be sent twice without harm, as with an idempotency key; without it
        only GET, HEAD, OPTIONS, PUT and DELETE are. `write` tells the trace whether this changes something there,
        where the method does not: a search that is posted, a log-in. Of a write it keeps both bodies; `keep_body`
        asks for those of a read.
        """
        method = method.upper()
        call = _Call(
            method=method,
            url=self.address(path, params),
            headers=dict(headers or {}),
            content=content,
            secret_params=frozenset(secret_params),
            repeatable=method in REPEATABLE if repeatable is None else repeatable,
            retry_statuses=frozenset(retry_statuses),
            worth_repeating=worth_repeating,
            timeouts=timeouts or self._timeouts,
            write=is_write(method) if write is None else write,
            keep_body=keep_body,
        )
        return self._until_done(call)

    def pretend(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        content: bytes | None = None,
    ) -> str:
        """Tell the trace about a request that a dry run does not send; answers its masked address."""
        call = _Call(method=method, url=self.address(path, params), content=content, write=True)
        self._policy.check_host(httpx.URL(call.url).host)
        entry = self._entry(call, None, b"", None, 1, datetime.now(UTC), time.monotonic())
        if self._trace is not None:
            self._trace({**entry, "dry": True})
        return str(entry["url"])

    def _until_done(self, call: _Call) -> Answer:
        started = time.monotonic()
        end = started + call.timeouts.total
        for attempt in range(1, self._retries.attempts + 1):
            try:
                answer = self._followed(call, attempt=attempt, end=end)
            except HttpError as error:
                wait = self._wait_after_error(call, error, attempt)
                if wait is None or time.monotonic() + wait >= end:
                    raise
            else:
                wait = self._wait_after_answer(call, answer, attempt)
                if wait is None or time.monotonic() + wait >= end:
                    return replace(answer, duration_ms=_ms_since(started))
            self._sleep(wait)
        raise AssertionError("the last attempt never waits")

    def _wait_after_error(self, call: _Call, error: HttpError, attempt: int) -> float | None:
        safe = call.repeatable or not error.sent
        if attempt >= self._retries.attempts or not error.retryable or not safe:
            return None
        return self._retries.wait(attempt)

    def _wait_after_answer(self, call: _Call, answer: Answer, attempt: int) -> float | None:
        if attempt >= self._retries.attempts or answer.status not in call.retry_statuses:
            return None
        asked = retry_after(answer.headers)
        # 429 refuses before doing anything, and so does a 503 that names a time; 502, 504 and a bare 503
        # may come from a gateway whose other side has done it.
        refused = answer.status == 429 or (answer.status == 503 and asked is not None)
        if not (call.repeatable or refused):
            return None
        if asked is None:
            return self._retries.wait(attempt) if call.worth_repeating(answer) else None
        return asked if asked <= self._retries.longest_wait and call.worth_repeating(answer) else None

    def _followed(self, call: _Call, *, attempt: int, end: float) -> Answer:
        for _hop in range(MAX_REDIRECTS + 1):
            answer = self._exchange(call, attempt=attempt, end=end)
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or location is None or call.method not in ("GET", "HEAD"):
                return answer
            call = self._redirected(call, location)
        raise RedirectRefused("The partner system keeps redirecting in circles.", sent=True)

    def _redirected(self, call: _Call, location: str) -> _Call:
        here = httpx.URL(call.url)
        try:
            there = httpx.URL(join_url("", str(here.join(location))))
        except (UrlRefused, httpx.InvalidURL, ValueError):
            raise RedirectRefused(
                "The partner system redirects to something that is no web address."
            ) from None
        if origin_of(there) == origin_of(here):
            return replace(call, url=str(there))
        name = f"{there.scheme}://{there.netloc.decode('ascii')}"
        if call.carries_credentials:
            raise RedirectRefused(
                f"{here.host} redirects to {name}; credentials are not taken along. "
                "If that is right, put the new address in the credential."
            )
        if here.scheme == "https" and there.scheme != "https":
            raise RedirectRefused(f"{here.host} redirects to {name}, which is not encrypted.")
        return replace(call, url=str(there))

    def _exchange(self, call: _Call, *, attempt: int, end: float) -> Answer:
        """One request and its whole answer, reported to the trace whatever happens."""
        clock, started = time.monotonic(), datetime.now(UTC)
        status: int | None = None
        content = b""
        failure: PlatformError | None = None
        try:
            request = self._built(call)
            self._policy.check_host(request.url.host, origin_of(request.url)[2])
            with before_deadline(end):
                response = self._client.send(request, stream=True)
                try:
                    status = response.status_code
                    content = self._read(response, end=end)
                finally:
                    response.close()
        except httpx.TransportError as error:
            failure = explained(error, host=httpx.URL(call.url).host, over=time.monotonic() >= end)
            raise failure from None
        except PlatformError as error:
            failure = error
            raise
        finally:
            if self._trace is not None:
                self._trace(self._entry(call, status, content, failure, attempt, started, clock))
        return Answer(
            status=response.status_code,
            reason=response.reason_phrase,
            headers=response.headers,
            content=content,
            url=call.url,
            method=call.method,
            duration_ms=_ms_since(clock),
            attempt=attempt,
        )

    def _built(self, call: _Call) -> httpx.Request:
        limits = call.timeouts
        timeout = httpx.Timeout(limits.read, connect=limits.connect)
        try:
            return self._client.build_request(
                call.method, call.url, headers=dict(call.headers), content=call.content, timeout=timeout
            )
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError, TypeError):
            raise UrlRefused(UNSENDABLE) from None

    def _read(self, response: httpx.Response, *, end: float) -> bytes:
        too_big = AnswerRefused(
            f"The answer is larger than {self._max_bytes // 1_000_000 or 1} MB; ask for fewer records at a time."
        )
        length = response.headers.get("content-length", "")
        if response.request.method == "HEAD":
            return b""
        if length.isdigit() and int(length) > self._max_bytes:
            raise too_big
        if response.is_stream_consumed:  # an injected transport answered whole and unpacked
            if len(response.content) > self._max_bytes:
                raise too_big
            return response.content
        pieces: list[bytes] = []
        size = received = 0
        try:
            unpacker = Unpacker(response.headers.get("content-encoding", ""))
            for raw in response.iter_raw(PIECE):
                received += len(raw)
                for piece in unpacker.feed(raw):
                    size += len(piece)
                    if size > self._max_bytes or received > self._max_bytes:
                        raise too_big
                    pieces.append(piece)
                if time.monotonic() >= end:
                    raise httpx.ReadTimeout("the time allowed for the whole call is over")
            pieces.append(unpacker.finish())
        except UnpackingFailed as error:
            raise AnswerRefused(str(error)) from None
        return b"".join(pieces)

    def _entry(
        self,
        call: _Call,
        status: int | None,
        content: bytes,
        failure: PlatformError | None,
        attempt: int,
        started: datetime,
        clock: float,
    ) -> dict[str, Any]:
        told = call.write or call.keep_body
        request, request_cut = self._told(call.content) if told else (None, False)
        response, response_cut = self._told(content) if told else (None, False)
        return {
            "kind": "http",
            "protocol": "http",
            "write": call.write,
            "method": call.method,
            "url": masked_url(call.url, secret_params=call.secret_params, redact=self._redact),
            "status": status,
            "started": started.isoformat(),
            "duration_ms": _ms_since(clock),
            "request_bytes": len(call.content or b""),
            "response_bytes": len(content),
            "attempt": attempt,
            "error": None if failure is None else self._redact(str(failure)),
            "request_body": request,
            "request_cut": request_cut,
            "response_body": response,
            "response_cut": response_cut,
        }

    def _told(self, body: bytes | None) -> tuple[str | None, bool]:
        return beginning(body, self._redact) if body else (None, False)


def _ms_since(clock: float) -> int:
    return round((time.monotonic() - clock) * 1000)
