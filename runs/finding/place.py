"""What a place is in which a person may be named, and what is asked of it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from openfn_platform.projects.models import Project
from runs.finding.terms import PHONE_MARK, Term, matched, query_of, rows_of

MOST_FOUND = 10_000  # of one place: who is in more is no person


@dataclass(frozen=True, kw_only=True)
class Asked:
    project: Project
    terms: tuple[Term, ...]

    @property
    def query(self) -> str:
        return query_of(self.terms)

    def in_texts(self, texts: Iterable[str]) -> bool:
        return any(matched(self.terms, row.split()) for row in rows_of(texts))

    def hinted(self, text: str) -> bool:
        """Whether any word of them is in it: for what is no text but a name, where half of a name is enough."""
        words = set(" ".join(rows_of([text])).split())
        return any(
            term.whole & words
            or (term.phone and f"{PHONE_MARK}{term.phone}" in words)
            or any(word.startswith(term.beginnings) for word in words if term.beginnings)
            for term in self.terms
        )


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Where the person is named."""

    ref: str
    title: str
    run: uuid.UUID | None = None
    at: datetime | None = None


class Place(ABC):
    """One kind of row that may name a person. It belongs to an event, and is erased with all of that."""

    name: ClassVar[str]
    label: ClassVar[str]

    @abstractmethod
    def find(self, asked: Asked) -> Iterator[Hit]:
        """The rows that name whom is asked for."""

    @abstractmethod
    def texts(self, ref: str) -> Iterator[str]:
        """What one row says, to show the words around, to those who may see data."""


class OwnPlace(Place):
    """One whose rows belong to no event: they are erased one by one."""

    @abstractmethod
    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        """Take away what these rows say; how many. `asked` is None when nobody knows any more whom was looked for."""
