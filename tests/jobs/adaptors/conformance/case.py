"""What the conformance test must know about an adaptor to put it to the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.common.faulty import Act, FaultyServer, Seen, answer

SECRET = "s3cr3t-Zq9wv71x"
BASIC = "Basic YW1pbmE6czNjcjN0LVpxOXd2NzF4"  # amina:SECRET


@dataclass(frozen=True, kw_only=True)
class Case:
    """One adaptor on trial."""

    name: str
    configuration: Callable[[str], dict[str, Any]]  # by the address of the server
    auth: Callable[[Seen], bool]  # whether a request shows the credential as it should
    read: Callable[[Any], Any]  # asks something; its answer is `read_body`
    read_path: str  # where that goes, without the query
    read_body: Any = field(default_factory=dict)
    write: Callable[[Any, str], Any]  # sends a text; its answer is `write_body`
    write_body: Any = field(default_factory=dict)
    write_status: int = 200
    sends: Callable[[Seen], bool] = lambda seen: seen.method != "GET"  # whether a request is such a write
    repeats: bool = False  # the write is a PUT, or carries a key: it may be sent again
    error_body: Any = None  # as the partner words a refusal
    error_words: str = ""
    hidden_error: Any = None  # a 2xx that is none, as an answer to `write`
    hidden_words: str = ""
    log_in: Callable[[Seen], Act | None] = lambda seen: None  # answers what belongs to a log-in
    tokens: Any = None  # what the log-in answers
    cookie: str = ""  # and the cookie that it sets
    pages: Callable[[Seen], Act] | None = None  # answers pages of five records altogether
    all: Callable[[Any], Any] | None = None  # reads all of them
    spelled: Callable[[str], str] = str  # how a text travels, where that is neither JSON nor a form
    refusal: int = 400  # a status that `read` takes for an error
    kind: str = "application/json"


class Stage:
    """A server that plays an adaptor's partner, with what shall go wrong."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.script: list[Act] = []
        self.always: Callable[[Seen], Act] | None = None
        self.server = FaultyServer(self._act)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    @property
    def seen(self) -> list[Seen]:
        """Requests that are not part of a log-in."""
        return [each for each in self.server.seen if self.case.log_in(each) is None]

    def _act(self, connection, seen):
        logged_in = self.case.log_in(seen)
        if logged_in is not None:
            logged_in(connection, seen)
        elif self.script:
            self.script.pop(0)(connection, seen)
        elif self.always is not None:
            self.always(seen)(connection, seen)
        elif not self.case.sends(seen):
            answer(200, self.case.read_body, kind=self.case.kind)(connection, seen)
        else:
            answer(self.case.write_status, self.case.write_body, kind=self.case.kind)(connection, seen)


def token_at(path: str, body: Any, *, status: int = 200) -> Callable[[Seen], Act | None]:
    """A log-in that answers `body` at a path."""
    return lambda seen: answer(status, body) if urlsplit(seen.target).path == path else None


def query(seen: Seen) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(seen.target).query, keep_blank_values=True))


def page_of(seen: Seen, *, start: str, size: str, default: int = 2) -> list[dict[str, int]]:
    """Records `start` … of five, by the request's own parameters."""
    asked = query(seen)
    first = int(asked.get(start, 0))
    return [{"n": number} for number in range(5)][first : first + min(int(asked.get(size, default)), 2)]


def carries(seen: Seen, text: str) -> bool:
    """Whether a request has a text, in JSON, in a form, in the address, or as it is."""
    body = seen.body.decode("utf-8", "replace") or urlsplit(seen.target).query
    spelled = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    if any(each in body for each in spelled):
        return True
    values = [value for _name, value in parse_qsl(body, keep_blank_values=True)]
    return any(text in value or json.dumps(text)[1:-1] in value for value in values)
