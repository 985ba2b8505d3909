"""Pages: which part of a list is asked for, and what is said about the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.wire import Request

DEFAULT_SIZE = 50
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Page:
    """One page of a list, or all of it."""

    number: int
    size: int
    paged: bool

    @classmethod
    def of(cls, params: Params) -> Page:
        """The page that was asked for; without paging there is but one."""
        paged = params.flag("paging", True) and not params.flag("skipPaging")
        return cls(params.number("page", 1), params.number("pageSize", DEFAULT_SIZE), paged)

    def cut(self, found: list[_Item]) -> list[_Item]:
        """Its part of the list."""
        start = (self.number - 1) * self.size
        return found[start : start + self.size] if self.paged else found

    def count(self, total: int) -> int:
        """How many pages there are."""
        return max(-(-total // self.size), 1)

    def within(self, total: int) -> Page:
        """The last page instead of one behind it, as metadata lists have it."""
        return Page(min(self.number, self.count(total)), self.size, self.paged)

    def pager(self, request: Request, total: int) -> dict[str, Any]:
        """What a metadata list says about its pages."""
        pages = self.count(total)
        pager: dict[str, Any] = {
            "page": self.number,
            "total": total,
            "pageSize": self.size,
            "pageCount": pages,
        }
        if self.number < pages:
            pager["nextPage"] = self._url(request, self.number + 1)
        if self.number > 1:
            pager["prevPage"] = self._url(request, self.number - 1)
        return pager

    def _url(self, request: Request, number: int) -> str:
        query = [(n, v) for n, v in parse_qsl(request.query_string) if n != "page"]
        return f"{request.origin}{request.path}?{urlencode([*query, ('page', str(number))])}"
