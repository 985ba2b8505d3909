"""The engine under every HTTP adaptor.

A thin system is a subclass that declares: `system`, `schema`, `prefix`, `headers`, `message_paths`,
`test_path`, an `authenticate` of one line, and operations of one line each. A rich one overrides the hooks
`words`, `problem`, `worth_repeating` and `dry_answer`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, Self

import httpx

from jobs.adaptors.auth import Auth, NoAuth
from jobs.adaptors.bodies import ParseAs, decode, encode, text_of
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    ConfigurationError,
    Timeout,
    Unavailable,
    error_for,
)
from jobs.adaptors.paging import PageRequest, Paging, SinglePage, dig
from openfn_platform.common.addresses import AddressPolicy, AddressRefused
from openfn_platform.common.failures import UNSENDABLE
from openfn_platform.common.http import (
    REPEATABLE,
    TRY_LATER,
    Answer,
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    HttpError,
    RedirectRefused,
    TimedOut,
    Timeouts,
    is_write,
    retry_after,
)
from openfn_platform.common.redaction import Redactor
from openfn_platform.common.urls import UrlRefused, masked_url

Errors = bool | Mapping[int, "bool | str | Callable[[Response], bool | str | None]"] | None

LONGEST_MESSAGE = 400
WRONG_ADDRESS = "Correct the address, or ask an administrator whether this project may speak to it."
SOMEBODY_ELSE = "Is the address right, or does a log-in page or a proxy stand in between?"
WRONG_LETTERS = "Look at tokens, keys and headers: only letters of the English alphabet, digits and signs, no line breaks."
MAY_HAVE_ARRIVED = "It may have been received all the same: look there before sending it again."


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a partner system answered."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: Any = field(repr=False)
    url: str = field(repr=False)
    duration_ms: int
    content: bytes = field(repr=False, default=b"")
    reason: str = ""
    attempt: int = 1

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def to_json(self) -> dict[str, Any]:
        """What can be kept in a state."""
        return {"status": self.status, "url": self.url, "duration_ms": self.duration_ms, "body": self.body}


class RestClient:
    """A connection to one partner system. Opens nothing before the first request."""

    system: ClassVar[str] = "The partner system"  # its name in sentences
    schema: ClassVar[dict[str, Any]] = {}
    prefix: ClassVar[str] = ""  # between the base address and every path
    headers: ClassVar[Mapping[str, str]] = {"Accept": "application/json"}
    # Where error answers keep their words, tried in order.
    message_paths: ClassVar[tuple[str, ...]] = (
        "error.message",
        "error_description",
        "message",
        "detail",
        "title",
        "error.0",
        "error",
        "errors.0.message",
        "errors.0",
    )
    expects_json: ClassVar[bool] = True
    test_path: ClassVar[str] = ""
    signed_out: ClassVar[frozenset[int]] = frozenset({401})  # answers that ask for another log-in
    groups: ClassVar[Mapping[str, type]] = {}

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self.context = context
        self._configuration = configuration
        self.auth = self.authenticate(configuration)
        secrets = (*self.auth.secrets(), *_secret_values(self.schema, configuration))
        self.redact = Redactor(secrets)
        with self._told():
            self.http_client = HttpClient(
                base_url=self.base_url(configuration),
                policy=AddressPolicy(
                    allowed_hosts=context.allowed_hosts, allow_private=context.allow_private
                ),
                secrets=secrets,
                trace=context.trace,
                transport=context.transport,
                retries=context.retries,
                tls=self.tls(configuration),
            )

    # Hooks: what a system declares about itself.

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("baseUrl") or "")

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return NoAuth()

    def tls(self, configuration: dict[str, Any]) -> ssl.SSLContext | None:
        """Trust settings of its own, for a system whose certificate no public authority signed."""
        return None

    def words(self, response: Response) -> str:
        """The partner's own words about an error."""
        for path in self.message_paths:
            found = dig(response.body, path)
            if isinstance(found, str) and found.strip():
                return found
        if isinstance(response.body, str):
            return _out_of_html(response.body)
        return ""

    def cleaned(self, body: Any) -> Any:
        """An error body as it may be kept."""
        return body

    def problem(self, response: Response) -> AdaptorError | None:
        """An error that arrives as a success."""
        return None

    def worth_repeating(self, answer: Answer) -> bool:
        """Whether an answer that usually means *later* means it here."""
        return True

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        """What a write answers that was not sent."""
        return data if isinstance(data, (dict, list)) else {}

    # The verbs.

    def request(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        parse_as: ParseAs = "auto",
        errors: Errors = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        repeatable: bool | None = None,
        read_only: bool = False,
        retry_statuses: Iterable[int] = TRY_LATER,
        keep_body: bool = False,
        write: bool | None = None,
    ) -> Response:
        """Send one request and raise unless it succeeded.

        `errors=False` raises on no status; `errors={404: False}` not on that one; `errors={404: "text"}`
        raises with your own sentence, also for a status that is none; a function of the response may give it.
        `keep_body` keeps the answer in the run's trace, which otherwise has only what was sent; `write`
        says that a GET does something, as with some gateways.
        """
        method = method.upper()
        write = (is_write(method) if write is None else write) and not read_only
        if write and self.context.dry_run:
            return self._pretended(method, path, data, params=params, content_type=content_type)
        body, mime = encode(data, content_type)
        safe = _is_repeatable(method, repeatable, idempotency_key, read_only)

        def send() -> Answer:
            sent_headers, sent_params = self._headers(headers, mime, idempotency_key), dict(params or {})
            self.auth.apply(sent_headers, sent_params)
            return self.http_client.request(
                method,
                self._full(path),
                params=sent_params,
                headers=sent_headers,
                content=body,
                secret_params=self.auth.secret_params(),
                repeatable=safe,
                retry_statuses=retry_statuses,
                worth_repeating=self.worth_repeating,
                timeouts=None if timeout is None else Timeouts(read=timeout, total=timeout),
                keep_body=keep_body or self.context.trace_reads,
                write=write,
            )

        with self._told(write=not safe):
            self._sign_in()
            answer = send()
            # A 401 refused the request before anything was done, so it may be sent again, once; it says nothing
            # about our log-in if the job had shown one of its own.
            own = any(name.lower() in ("authorization", "cookie") for name in headers or ())
            if answer.status in self.signed_out and not own and self._sign_in(again=True):
                answer = send()
        response = self._response(answer, parse_as)
        self._raise_unless_ok(response, errors, safe=safe)
        return response

    def get(self, path: str, *, params: Mapping[str, Any] | None = None, **options: Any) -> Response:
        return self.request("GET", path, params=params, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        return self.request("POST", path, data, **options)

    def put(self, path: str, data: Any = None, **options: Any) -> Response:
        return self.request("PUT", path, data, **options)

    def patch(self, path: str, data: Any = None, **options: Any) -> Response:
        return self.request("PATCH", path, data, **options)

    def delete(self, path: str, **options: Any) -> Response:
        return self.request("DELETE", path, **options)

    def records(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        paging: Paging | None = None,
        items: str = "",
        max: int = 10_000,
        **options: Any,
    ) -> Iterator[Any]:
        """Every record of a long list, page by page, at most `max`. `items` is where a page keeps them."""
        kind = paging or SinglePage()
        request: PageRequest | None = kind.first(PageRequest(path, dict(params or {})))
        seen: set[str] = set()
        count = 0
        while request is not None:
            asked = repr(request)
            if asked in seen:
                raise AdaptorError(f"{self.system} hands out its pages in circles.")
            seen.add(asked)
            response = self.request("GET", request.path, params=request.params, **options)
            if response.status != 204:
                self.part(response.body, kind=(dict, list))
            found = dig(response.body, items)
            page = found if isinstance(found, list) else []
            for record in page:
                if count >= max:
                    return
                count += 1
                yield record
            if count >= max:
                return
            with self._told():
                request = kind.following(request, response, got=len(page))

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        if not self.test_path:
            return f"The credential for {self.system} is complete; there is nothing to ask it for a test."
        self.get(self.test_path)
        return f"{self.system} accepts the credential."

    def close(self) -> None:
        self.http_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<connection to {self.system}>"

    # Inside.

    def _sign_in(self, *, again: bool = False) -> bool:
        """Let the auth log in where it has to; `again` after a token was refused. False: nothing new to show."""
        fresh = self.auth.renew(self) if again else self.auth.prepare(self)
        if fresh:
            self.redact.learn(fresh)
            self.http_client.learn(fresh)
            for secret in fresh:
                self.context.learn(secret)
        return bool(fresh)

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Response:
        """A request without the credential's own auth, as a log-in is: it is a read, and its answer is kept nowhere."""
        body, mime = encode(data, content_type)
        answer = self.http_client.request(
            method,
            path,
            params=params,
            headers=self._headers(headers, mime, None),
            content=body,
            repeatable=True,
            write=False,
        )
        return self._response(answer, "auto")

    def part(self, body: Any, path: str = "", kind: type | tuple[type, ...] = dict) -> Any:
        """What an answer must hold at a dotted path. Whatever else a proxy may have answered is told in a sentence."""
        found = dig(body, path) if path else body
        if not isinstance(found, kind):
            raise AdaptorError(
                f"{self.system} answered with something else than was asked for.",
                body=body[:2000] if isinstance(body, (str, bytes)) else body,
                hint=SOMEBODY_ELSE,
                sent=True,
            )
        return found

    def error_of(self, response: Response) -> AdaptorError:
        """The error that stands for an answer, for those who judge a status themselves."""
        return self._error(response, safe=True)

    def _full(self, path: str) -> str:
        return path if not self.prefix or "://" in path else f"{self.prefix}/{path}"

    def _headers(
        self, headers: Mapping[str, str] | None, mime: str | None, idempotency_key: str | None
    ) -> dict[str, str]:
        merged = dict(self.headers)
        if mime is not None:
            merged["Content-Type"] = mime
        if idempotency_key:
            merged["Idempotency-Key"] = idempotency_key
        for name, value in (headers or {}).items():
            for known in [each for each in merged if each.lower() == name.lower()]:
                del merged[known]
            merged[name] = value
        return merged

    def _response(self, answer: Answer, parse_as: ParseAs) -> Response:
        body = decode(answer, parse_as, system=self.system)
        kind = answer.headers.get("content-type", "").lower()
        if self.expects_json and parse_as == "auto" and 200 <= answer.status < 300 and "html" in kind:
            raise AdaptorError(
                f"{self.system} answered with a web page instead of data.",
                status=answer.status,
                body=text_of(answer)[:2000],
                hint=SOMEBODY_ELSE,
                sent=True,
            )
        return Response(
            status=answer.status,
            headers=answer.headers,
            body=body,
            url=masked_url(answer.url, secret_params=self.auth.secret_params(), redact=self.redact),
            duration_ms=answer.duration_ms,
            content=answer.content,
            reason=answer.reason,
            attempt=answer.attempt,
        )

    def _raise_unless_ok(self, response: Response, errors: Errors, *, safe: bool) -> None:
        wish = _wish(errors, response)
        if isinstance(wish, str):
            raise self._error(response, safe=safe, message=wish)
        if wish is False:
            return
        if wish is True or not response.ok:
            raise self._error(response, safe=safe)
        problem = self.problem(response)
        if problem is not None:
            raise problem

    def _error(self, response: Response, *, safe: bool, message: str = "") -> AdaptorError:
        """The error that stands for an answer."""
        kind = error_for(response.status)
        facts: dict[str, Any] = {"status": response.status, "body": self.cleaned(response.body)}
        facts["retry_after"] = retry_after(response.headers)
        if 300 <= response.status < 400:
            message = message or f"{self.system} redirects this request elsewhere, which is not followed."
            facts["hint"] = "Put the final address in the credential."
        elif not safe and (
            response.status in (502, 504) or (response.status == 503 and facts["retry_after"] is None)
        ):
            facts |= {"retryable": False, "hint": MAY_HAVE_ARRIVED}
        elif response.status in (500, 501):  # answered, so the connection is well
            facts |= {"kind": "partner", "retryable": response.status == 500}
        return kind(message or self._sentence(response), **facts)

    def _sentence(self, response: Response) -> str:
        words = " ".join(self.redact(self.words(response)).split())
        if not words:
            return f"{self.system} answered {response.status} {response.reason}".rstrip() + "."
        return f"{self.system}: {words[:LONGEST_MESSAGE]}{'…' if len(words) > LONGEST_MESSAGE else ''}"

    def _pretended(
        self, method: str, path: str, data: Any, *, params: Mapping[str, Any] | None, content_type: str | None
    ) -> Response:
        body, _mime = encode(data, content_type)
        with self._told():
            url = self.http_client.pretend(method, self._full(path), params=params, content=body)
        self.context.log("info", f"Dry run: {method} {url} was not sent ({len(body or b'')} bytes).")
        answer = self.dry_answer(method, path, data)
        return Response(
            status=200, headers=httpx.Headers(), body=answer, url=url, duration_ms=0, reason="Dry run"
        )

    def _told(self, *, write: bool = False) -> _Told:
        return _Told(self.system, write=write)


class _Told:
    """Turns what the HTTP client raises into the adaptors' own tree."""

    def __init__(self, system: str, *, write: bool) -> None:
        self._system = system
        self._write = write  # one that must not happen twice

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HttpError):
            self._raise(error)
        if isinstance(error, (AddressRefused, UrlRefused)):
            hint = WRONG_LETTERS if str(error) == UNSENDABLE else WRONG_ADDRESS
            raise ConfigurationError(str(error), kind="partner", hint=hint) from None

    def _raise(self, error: HttpError) -> NoReturn:
        facts: dict[str, Any] = {"sent": error.sent, "retryable": error.retryable}
        if error.sent and self._write:
            facts |= {"retryable": False, "hint": MAY_HAVE_ARRIVED}
        message = f"{self._system} did not answer: {error}"
        if isinstance(error, TimedOut):
            raise Timeout(message, **facts) from None
        if isinstance(error, (ConnectFailed, ConnectionLost)):
            raise Unavailable(message, **facts) from None
        if isinstance(error, RedirectRefused):
            facts["hint"] = WRONG_ADDRESS
            raise ConfigurationError(str(error), kind="partner", **facts) from None
        raise AdaptorError(str(error), **facts) from None


def _is_repeatable(
    method: str, repeatable: bool | None, idempotency_key: str | None, read_only: bool
) -> bool:
    if repeatable is not None:
        return repeatable
    return method in REPEATABLE or read_only or bool(idempotency_key)


def _wish(errors: Errors, response: Response) -> bool | str | None:
    if errors is None or errors is True:
        return None
    if errors is False:
        return False
    wish = errors.get(response.status)
    return wish(response) if callable(wish) else wish


def _secret_values(schema: Mapping[str, Any], configuration: Mapping[str, Any]) -> tuple[str, ...]:
    fields = schema.get("properties", {})
    return tuple(
        leaf
        for name, value in configuration.items()
        if fields.get(name, {}).get("writeOnly") is True
        for leaf in _leaves(value)
    )


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)


def _out_of_html(text: str) -> str:
    """The gist of an error page: its title or heading, else the text itself."""
    if "<" not in text:
        return text
    found = re.search(r"<(title|h1)[^>]*>([^<]+)<", text, re.IGNORECASE)
    return found[2] if found else ""
