"""Every address that the platform answers, read off the resolver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver, get_resolver


@dataclass(frozen=True)
class Address:
    """One URL pattern. `pattern` is its name in the table: names are missing or doubled here and there."""

    pattern: str
    name: str

    @property
    def model(self) -> str:
        """`jobs.job` for `admin/jobs/job/…`; empty for pages that belong to no table."""
        parts = self.pattern.split("/")
        return ".".join(parts[1:3]) if parts[0] == "admin" and len(parts) > 3 else ""


def addresses() -> list[Address]:
    return sorted(set(_walk(get_resolver().url_patterns, "")), key=lambda each: each.pattern)


def _walk(patterns: list[Any], before: str) -> Iterator[Address]:
    for each in patterns:
        pattern = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, pattern)
        else:
            yield Address(pattern=pattern, name=each.name or "")
