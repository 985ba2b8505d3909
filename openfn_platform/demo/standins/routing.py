"""Which function answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from openfn_platform.demo.standins.wire import Answer, Request

Handler = Callable[..., Answer]


class Routes:
    """A table of templates such as `/Accounts/{sid}/Messages.json`; what is in braces goes in by name."""

    def __init__(self) -> None:
        self._routes: list[tuple[re.Pattern[str], dict[str, Handler]]] = []

    def add(self, template: str, **handlers: Handler) -> None:
        """Name the functions of a path by method: `add("/x/{id}", GET=read, DELETE=remove)`."""
        parts = re.split(r"\{(\w+)\}", template)
        pattern = "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
        self._routes.append((re.compile(pattern), handlers))

    def find(self, request: Request) -> tuple[Handler | None, dict[str, Any], bool]:
        """The handler, its arguments, and whether the path exists (with another method)."""
        for pattern, handlers in self._routes:
            if match := pattern.fullmatch(request.path):
                return handlers.get(request.method), match.groupdict(), True
        return None, {}, False
