"""The ways in which partner systems hand out long lists. Each answers one question: what to ask next?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from openfn_platform.common.urls import UrlRefused

if TYPE_CHECKING:
    from jobs.adaptors.engine import Response


@dataclass(frozen=True)
class PageRequest:
    """One page to be asked for."""

    path: str
    params: dict[str, Any]

    def with_params(self, **params: Any) -> PageRequest:
        return PageRequest(self.path, self.params | params)


class Paging(Protocol):
    """A kind of paging. `got` is how many records came with this page, `total` how many altogether."""

    def first(self, request: PageRequest) -> PageRequest: ...
    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None: ...


class SinglePage:
    """Everything comes at once."""

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        return None


@dataclass(frozen=True)
class NextUrl(SinglePage):
    """The answer holds the address of the next page at a dotted path, as `next` or `meta.next`."""

    path: str = "next"

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        return _at(dig(response.body, self.path), request, response)


@dataclass(frozen=True)
class LinkNext(SinglePage):
    """The answer holds a list of links, one of which is called next."""

    path: str = "links"
    name: str = "rel"
    url: str = "uri"

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        return _at(next_link(response.body, self), request, response)


class LinkHeader(SinglePage):
    """The next page is named in the `Link` header."""

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        header = response.headers.get("link", "")
        found = re.search(r"<([^>]*)>\s*;[^<]*\brel=\"?next\b", header)
        return _at(found[1], request, response) if found else None


@dataclass(frozen=True)
class OffsetLimit(SinglePage):
    """Ask for `size` records from an offset on, until a page comes short."""

    offset: str = "offset"
    limit: str = "limit"
    size: int = 100

    def first(self, request: PageRequest) -> PageRequest:
        return PageRequest(request.path, {self.offset: 0, self.limit: self.size} | request.params)

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        if got == 0 or got < int(request.params[self.limit]):
            return None
        return request.with_params(**{self.offset: int(request.params[self.offset]) + got})


@dataclass(frozen=True)
class PageNumber(SinglePage):
    """Ask for page 1, 2, 3 … until a page comes short, or until the count that the answer names."""

    page: str = "page"
    size_param: str = "pageSize"
    size: int = 100
    start: int = 1
    pages_at: str = ""  # dotted path of the number of pages, if the answer has it

    def first(self, request: PageRequest) -> PageRequest:
        return PageRequest(request.path, {self.page: self.start, self.size_param: self.size} | request.params)

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        here = int(request.params[self.page])
        pages = dig(response.body, self.pages_at) if self.pages_at else None
        if isinstance(pages, int):
            done = here - self.start + 1 >= pages
        else:
            done = got < int(request.params[self.size_param])
        return None if got == 0 or done else request.with_params(**{self.page: here + 1})


@dataclass(frozen=True)
class Cursor(SinglePage):
    """The answer holds a mark to be sent back for the next page."""

    param: str = "cursor"
    path: str = "next_cursor"

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        mark = dig(response.body, self.path)
        return request.with_params(**{self.param: mark}) if mark not in (None, "") else None


def dig(body: Any, path: str) -> Any:
    """What is at a dotted path, or None. Numbers count list elements; a key may itself hold dots."""
    if isinstance(body, dict) and path in body:
        return body[path]
    for key in filter(None, path.split(".")):
        if isinstance(body, dict):
            body = body.get(key)
        elif isinstance(body, list) and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        else:
            return None
    return body


def next_link(body: Any, kind: LinkNext) -> str | None:
    """The address under `next` in a list of links."""
    links = dig(body, kind.path)
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get(kind.name) == "next" and isinstance(link.get(kind.url), str):
            return str(link[kind.url])
    return None


def _at(address: Any, request: PageRequest, response: Response) -> PageRequest | None:
    if not isinstance(address, str) or not address:
        return None
    here = httpx.URL(response.url)
    try:
        there = here.join(address)
    except (httpx.InvalidURL, ValueError):
        raise UrlRefused("The address of the next page is no web address.") from None
    if there.host != here.host:
        raise UrlRefused(f"The next page is said to be at {there.host}, which is another system.")
    # Behind a proxy a system often names itself with the wrong scheme or port: keep ours.
    same = there.copy_with(scheme=here.scheme, port=here.port)
    return PageRequest(str(same), {})
