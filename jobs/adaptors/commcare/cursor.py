"""The pages of the case API v2: the answer holds a link whose query finds the next one."""

from __future__ import annotations

import httpx

from jobs.adaptors.engine import Response
from jobs.adaptors.paging import PageRequest, SinglePage, dig


class Cursor(SinglePage):
    """Asks the same path with that query: behind a proxy CommCare often names itself wrongly."""

    def following(self, request: PageRequest, response: Response, *, got: int) -> PageRequest | None:
        link = dig(response.body, "next")
        if not isinstance(link, str) or not link:
            return None
        return PageRequest(request.path, dict(httpx.QueryParams(link.partition("?")[2])))
